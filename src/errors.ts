/**
 * The user's mistake: bad input, a missing file, an option that cannot be met.
 * The command line prints its message as one line, without a stack, and leaves with exit code 2.
 * A message reads `where: what was expected, what was found; what to do.`
 * Mistakes of the programmer are `RangeError` and `TypeError`.
 */
export class UserError extends Error {
  override readonly name = "UserError";
}
