/** A mistake of whoever asks, with its HTTP status. */
export class RequestMistake extends Error {
  readonly statusCode: number;
  constructor(message: string, statusCode = 400) {
    super(message);
    this.statusCode = statusCode;
  }
}
