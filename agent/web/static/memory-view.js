/** The conversation as the service remembers it: topics, and under each the states that belong to it. */
import { byId, el } from "./dom.js";

/**
 * @param {object} graph `memory.view`'s graph: `topics`, `states`, `current_topic`, `current_state`
 * @param {(turn: number) => void} show brings a turn into view
 */
export function drawMemory(graph, show) {
  const focused = document.activeElement?.dataset?.source;
  byId("memory-section").hidden = false;
  const topics = (graph.topics ?? []).map((topic) => {
    const current = topic.id === graph.current_topic;
    const states = (graph.states ?? []).filter((state) => state.topic === topic.id);
    const count = `${topic.questions} ${topic.questions === 1 ? "turn" : "turns"}`;
    const again = topic.reopened ? `, re-opened ${topic.reopened === 1 ? "once" : `${topic.reopened} times`}` : "";
    return el(
      "li",
      { class: current ? "topic current" : "topic", "aria-current": current && "true" },
      el(
        "p",
        { class: "node" },
        el("strong", { text: topic.subject ?? "no subject yet" }),
        el("span", { class: "fact", text: count + again }),
      ),
      topic.summary ? el("p", { class: "summary", text: topic.summary }) : "",
      states.length ? el("ul", {}, ...states.map((state) => drawState(state, graph.current_state, show))) : "",
    );
  });
  byId("memory").replaceChildren(...topics);
  if (focused) document.querySelector(`#memory [data-source="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function drawState(state, current, show) {
  const slots = state.slots.flatMap((slot) => [
    el("dt", { text: slot.name }),
    el("dd", {}, `${slot.value} `, source(state, slot, show)),
  ]);
  return el(
    "li",
    { class: state.id === current ? "state current" : "state" },
    el(
      "p",
      { class: "node" },
      el("strong", { text: state.flow }),
      el("span", { class: "phase", text: state.state.replaceAll("_", " ") }),
    ),
    slots.length ? el("dl", {}, ...slots) : "",
  );
}

/** Where a value comes from: who said it, and in which turn. */
function source(state, { name, turn, by }, show) {
  const said = el("span", { class: "sr", text: `${name} comes from ` });
  const onclick = () => show(turn + 1);
  const attributes = { type: "button", class: "source", "data-source": `${state.id}.${name}.${turn}.${by}`, onclick };
  return el("button", attributes, said, `turn ${turn + 1}, ${by}`);
}
