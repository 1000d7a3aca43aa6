// @ts-check
// JSON as it was sent: no digit is lost.

const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[{}[\],:]|true|false|null/g;
const TOO_LONG = 16; // digits: from here on a number may lose some

/**
 * Parse JSON. Whole numbers beyond 2^53 become strings of their digits.
 * @param {string} text
 */
export const parse = (text) =>
  JSON.parse(
    text.replace(TOKENS, (token) => (/^-?\d+$/.test(token) && token.length >= TOO_LONG ? `"${token}"` : token)),
  );

/** @param {string} token */
const readable = (token) =>
  token.replace(/\\(?:u([0-9a-fA-F]{4})|.)/g, (whole, code) => {
    const letter = code ? String.fromCharCode(parseInt(code, 16)) : "";
    return letter && /[\p{L}\p{N}\p{P}\p{S}]/u.test(letter) && !'"\\'.includes(letter) ? letter : whole;
  });

/**
 * JSON on many lines. Numbers and texts stand as they were written; letters that were written as codes are letters.
 * @param {string} text
 */
export function pretty(text) {
  let depth = 0;
  let made = "";
  const line = () => `\n${"  ".repeat(depth)}`;
  const tokens = text.match(TOKENS) ?? [];
  tokens.forEach((token, n) => {
    const isEmpty =
      ("{[".includes(token) && "}]".includes(tokens[n + 1])) || ("}]".includes(token) && "{[".includes(tokens[n - 1]));
    if ("{[".includes(token)) {
      depth += 1;
      made += token + (isEmpty ? "" : line());
    } else if ("}]".includes(token)) {
      depth -= 1;
      made += (isEmpty ? "" : line()) + token;
    } else if (token === ",") made += token + line();
    else if (token === ":") made += ": ";
    else made += token.startsWith('"') ? readable(token) : token;
  });
  return made;
}
