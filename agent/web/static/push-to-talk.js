/**
 * Push to talk: the microphone is open while the space bar, or the button, is held.
 *
 * The space bar types and presses buttons, too: it talks only where it would do neither.
 */

const TYPES = "input, textarea, select, [contenteditable], summary, a[href], dialog";

export class PushToTalk {
  /**
   * @param {HTMLButtonElement} button
   * @param {{active: () => boolean, talk: (on: boolean) => void}} on `active`: the mode is on and a microphone is open
   */
  constructor(button, { active, talk }) {
    this._button = button;
    this._active = active;
    this._talk = talk;
    this._held = false;
    addEventListener("keydown", (event) => this._key(event, true));
    addEventListener("keyup", (event) => this._key(event, false));
    addEventListener("blur", () => this._hold(false));
    button.addEventListener("pointerdown", (event) => {
      if (!active() || event.button !== 0) return;
      button.setPointerCapture(event.pointerId);
      this._hold(true);
    });
    for (const over of ["pointerup", "pointercancel"]) button.addEventListener(over, () => this._hold(false));
  }

  _key(event, down) {
    if (event.code !== "Space" || !this._active()) return;
    const { target } = event;
    if (target !== this._button && (target.closest?.(TYPES) || target.closest?.("button"))) return;
    event.preventDefault(); // the page does not scroll, and the button is not clicked
    if (!event.repeat) this._hold(down);
  }

  _hold(on) {
    if (on === this._held) return;
    this._held = on;
    this._talk(on);
  }
}
