/**
 * Which part of a reply was heard.
 *
 * @param {string[]} clauses the clauses of the reply, in order
 * @param {string} heard what counts as heard (`audio.clear`): the beginning of the reply, cut at a word
 * @returns {{heard: string, unheard: string}[]} both parts of each clause
 */
export function splitHeard(clauses, heard) {
  let left = heard.split(/\s+/).filter(Boolean).length;
  return clauses.map((clause) => {
    const words = clause.split(/\s+/).filter(Boolean);
    const count = Math.min(left, words.length);
    left -= count;
    return { heard: words.slice(0, count).join(" "), unheard: words.slice(count).join(" ") };
  });
}
