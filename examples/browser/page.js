import { VoiceClient } from "/talk/client.js";

const client = new VoiceClient({ name: "example/1" });
const show = (who, text) => {
  const line = document.createElement("li");
  line.textContent = `${who}: ${text}`;
  document.getElementById("said").append(line);
};

client.addEventListener("state", ({ detail }) => (document.getElementById("state").textContent = detail.state));
client.addEventListener("transcript.final", ({ detail }) => show("you", detail.text));
client.addEventListener("reply.text", ({ detail }) => show("agent", detail.text));
client.addEventListener("error", ({ detail }) => show("error", detail.message));

document.getElementById("call").addEventListener("click", async () => {
  await client.openAudio(); // browsers allow sound after a click
  await client.connect();
  await client.openMicrophone().catch(() => show("error", "no microphone: type instead"));
});

document.getElementById("type").addEventListener("submit", (event) => {
  event.preventDefault();
  client.sendText(event.target.elements.text.value);
  event.target.reset();
});
