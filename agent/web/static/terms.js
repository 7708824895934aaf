/** What the figures beside a turn mean, in one place: for hovering, for screen readers and for the list of terms. */

export const TERMS = {
  model: {
    name: "Model",
    text: "the language model of this turn. An arrow: another one answered in its place, or nobody.",
  },
  rule: { name: "Rule", text: "why that model: “default” is the small one; a long or technical turn takes more." },
  v2v: {
    name: "Voice-to-voice",
    text: "from the last sound of your voice to the first of the reply, as the server measures it, with the network.",
  },
  ear: { name: "At the ear", text: "the same wait by this browser’s own clock, to the loudspeaker." },
  outcome: { name: "Outcome", text: "what became of the turn, where it is not simply answered." },
  stt: { name: "stt", text: "from the end of your voice until the words were known." },
  llm: { name: "llm", text: "from there to the first sentence of the reply." },
  tool: { name: "tool", text: "of the time until that sentence, what the agent’s tools took. No budget counts it." },
  tts: { name: "tts", text: "from there to its first sound." },
  send: { name: "send", text: "until it was written to the line." },
  network: { name: "network", text: "the round trip between this browser and the server." },
  percentiles: {
    name: "p50, p95",
    text: "half, and 19 of 20, of the spoken turns took no longer. A turn without a reply counts as the longest.",
  },
  struck: { name: "Struck through", text: "what you did not hear of a reply that you interrupted. The agent knows." },
};
