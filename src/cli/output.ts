/** What a command prints: text that came from files or names never steers the terminal. */

/** Control characters but tab and line feed, and those that turn the direction of text; as JSON writes them, so that JSON stays JSON. */
const STEERING = /(?![\n\t])[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** The text with every character that steers a terminal written as an escape. */
export function printable(text: string): string {
  return text.replace(STEERING, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The same as one line. */
export function printableLine(text: string): string {
  return printable(text).replaceAll("\n", "\\n");
}

export function say(text: string): void {
  process.stdout.write(printable(text));
}
