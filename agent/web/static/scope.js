/**
 * The last seconds of the call as a trace: the caller's loudness above the line, the agent's below, so that pauses and
 * interruptions can be seen. Where motion is to be reduced it stands still: two bars, redrawn four times a second.
 */

const STEP_MS = 50;
const BAR = 3; // pixels, with the gap
const CALM_MS = 250;

/** RMS → share of the height: -60 dBFS is nothing, -5 dBFS is all. */
export function share(level) {
  const decibels = 20 * Math.log10(Math.max(level, 1e-5));
  return Math.max(0, Math.min(1, (decibels + 60) / 55));
}

export class Scope {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => {caller: number, agent: number}} levels RMS of both sides since it was last asked
   */
  constructor(canvas, levels) {
    this._canvas = canvas;
    this._levels = levels;
    this._past = []; // [caller, agent], the newest last
    this._timer = undefined;
    this._calm = matchMedia("(prefers-reduced-motion: reduce)");
    this._calm.addEventListener("change", () => this._timer !== undefined && this.start());
  }

  start() {
    this.stop();
    this._timer = setInterval(() => this._step(), this._calm.matches ? CALM_MS : STEP_MS);
  }

  stop() {
    clearInterval(this._timer);
    this._timer = undefined;
    this._past = [];
  }

  _step() {
    const { caller, agent } = this._levels();
    this._past.push([share(caller), share(agent)]);
    if (document.hidden) return;
    const { clientWidth: width, clientHeight: height } = this._canvas;
    const bars = this._calm.matches ? 1 : Math.max(1, Math.floor(width / BAR));
    if (this._past.length > bars) this._past.splice(0, this._past.length - bars);
    const ratio = globalThis.devicePixelRatio || 1;
    if (this._canvas.width !== width * ratio || this._canvas.height !== height * ratio) {
      this._canvas.width = width * ratio;
      this._canvas.height = height * ratio;
    }
    const context = this._canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(this._canvas);
    const colours = { caller: style.getPropertyValue("--ink"), agent: style.getPropertyValue("--accent") };
    context.fillStyle = style.getPropertyValue("--edge");
    context.fillRect(0, Math.round(height / 2), width, 1);
    if (this._calm.matches) this._bars(context, colours, width, height);
    else this._trace(context, colours, width, height);
  }

  _trace(context, colours, width, height) {
    const middle = height / 2;
    this._past.forEach(([caller, agent], index) => {
      const x = width - (this._past.length - index) * BAR;
      context.fillStyle = colours.caller;
      context.fillRect(x, middle - caller * middle, BAR - 1, caller * middle);
      context.fillStyle = colours.agent;
      context.fillRect(x, middle + 1, BAR - 1, agent * (middle - 1));
    });
  }

  _bars(context, colours, width, height) {
    const [caller, agent] = this._past.at(-1);
    context.fillStyle = colours.caller;
    context.fillRect(0, height / 4 - 3, caller * width, 6);
    context.fillStyle = colours.agent;
    context.fillRect(0, (3 * height) / 4 - 3, agent * width, 6);
  }
}
