import { UserError } from "../errors.ts";

/** No file that we read is nested deeper than 40; parsers that call themselves would run out of stack at some thousand. */
const MOST_LEVELS = 100;

/**
 * The value of a JSON text in UTF-8. A byte order mark is passed over. JSON itself allows a name twice in one object, and programs
 * differ in which of the two they take; here that is an error.
 *
 * @param where the file's name, for messages
 * @throws {UserError} if it is not such a text
 */
export function parseJson(bytes: Uint8Array, where: string): unknown {
  const text = textOf(bytes, where);
  checkStructure(text, where);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const found = text.trim() === "" ? "an empty file" : (cause as Error).message.split("\n")[0]!;
    throw new UserError(`${where}: JSON expected, found ${JSON.stringify(text.slice(0, 20))} (${found}); correct it`, {
      cause,
    });
  }
}

function textOf(bytes: Uint8Array, where: string): string {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    throw new UserError(`${where}: JSON in UTF-8 expected, found UTF-16; save it as UTF-8`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes); // takes a byte order mark away
  } catch (cause) {
    throw new UserError(`${where}: JSON in UTF-8 expected, found bytes that are none; get the file again`, { cause });
  }
}

const [QUOTE, BACKSLASH, COLON, OPEN_LIST, CLOSE_LIST, OPEN, CLOSE] = [0x22, 0x5c, 0x3a, 0x5b, 0x5d, 0x7b, 0x7d];

/** Nesting and names. What is no JSON at all is left to `JSON.parse`, which says where. */
function checkStructure(text: string, where: string): void {
  const levels: (Set<string> | null)[] = []; // names so far of an object, null for a list
  let last = ""; // the string before, which is a name if a colon follows
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      const end = endOfString(text, i);
      last = text.slice(i, end);
      i = end - 1;
    } else if (code === OPEN || code === OPEN_LIST) {
      levels.push(code === OPEN ? new Set() : null);
      if (levels.length > MOST_LEVELS)
        throw new UserError(
          `${where}: JSON of at most ${MOST_LEVELS} levels expected, found more; the file is not one of ours`,
        );
    } else if (code === CLOSE || code === CLOSE_LIST) levels.pop();
    else if (code === COLON) addName(levels.at(-1), last, where);
  }
}

function addName(names: Set<string> | null | undefined, token: string, where: string): void {
  if (!names) return;
  let name = token;
  if (token.includes("\\")) {
    try {
      name = JSON.stringify(JSON.parse(token)); // the same name can be written in several ways
    } catch {
      return; // no JSON: told by who parses it
    }
  }
  if (names.has(name)) throw new UserError(`${where}: every name once expected, found ${name} twice; correct the file`);
  names.add(name);
}

/** Behind the closing quote, or the end of the text. */
function endOfString(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) return i + 1;
  }
  return text.length;
}
