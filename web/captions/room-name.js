/** Makes the name of a caption room from what somebody typed. Pure. */

export const MAX_ROOM_NAME = 64; // as on the server
const ALLOWED = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

/**
 * @param {string} typed
 * @returns {{name: string, problem: string}} the name; or an empty one, and why
 */
export function roomNameOf(typed) {
  const name = typed.trim().replace(/\s+/g, "-");
  const problem = problemOf(name);
  return problem ? { name: "", problem } : { name, problem };
}

/** @param {string} name */
function problemOf(name) {
  if (name === "") return "Type a name for the room.";
  if (name.length > MAX_ROOM_NAME) return `The name is too long: at most ${MAX_ROOM_NAME} characters.`;
  if (ALLOWED.test(name)) return "";
  const wrong = [...new Set(name.replace(/[A-Za-z0-9_-]/g, ""))];
  if (wrong.length === 0) return "The name must begin with a letter or a digit.";
  return `The name can't contain ${wrong.join(" ")}. Use the letters A to Z, digits, - and _.`;
}
