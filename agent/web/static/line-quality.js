/** How good the line is, in a word, from what the client measures of it. */

const GOOD_MS = 150;
const FAIR_MS = 300;

export class LineQuality {
  constructor() {
    this._before = null;
  }

  /**
   * @param {{roundTripMs: number | null, droppedFrames: number, underruns: number}} now counts are of the whole call
   * @returns {{word: "good" | "fair" | "poor" | "…", text: string, title: string}}
   */
  judge(now) {
    const before = this._before ?? now;
    this._before = now;
    const dropped = Math.max(0, now.droppedFrames - before.droppedFrames);
    const dry = Math.max(0, now.underruns - before.underruns);
    const ms = now.roundTripMs;
    const round = ms === null ? "not measured yet" : `${Math.round(ms)} ms`;
    const title =
      `Round trip ${round}; in the last seconds ${dropped} frames of your voice were dropped, and the agent’s voice ` +
      `ran dry ${dry} ${dry === 1 ? "time" : "times"}.`;
    let word = "good";
    if (dropped > 0 || dry > 1 || ms > FAIR_MS) word = "poor";
    else if (dry > 0 || ms > GOOD_MS) word = "fair";
    else if (ms === null) word = "…";
    return { word, text: ms === null ? word : `${word}, ${Math.round(ms)} ms`, title };
  }
}
