/** Short, soft tones for those who do not look at the page. Off unless they are asked for. */

const TONES = { listening: [660], muted: [440], reconnecting: [440, 330], ended: [330] }; // Hz
const LENGTH_S = 0.07;
const GAIN = 0.06;

/** @param {AudioContext} context @param {string} state a state of the call; those without a tone are silent */
export function playTone(context, state) {
  (TONES[state] ?? []).forEach((frequency, index) => {
    const at = context.currentTime + index * LENGTH_S * 1.4;
    const tone = new OscillatorNode(context, { frequency });
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(GAIN, at + 0.01);
    gain.gain.linearRampToValueAtTime(0, at + LENGTH_S);
    tone.connect(gain).connect(context.destination);
    tone.start(at);
    tone.stop(at + LENGTH_S);
  });
}
