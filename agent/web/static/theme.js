/** Shows the theme that was chosen before anything is drawn: a classic script, behind the style sheets. */
{
  let chosen = null;
  try {
    chosen = JSON.parse(localStorage.getItem("voice-agent.settings") ?? "{}").theme;
  } catch {
    // storage is off, or holds something else: the system's theme
  }
  const media = { light: "not all", dark: "all" }[chosen];
  if (media) {
    document.documentElement.dataset.theme = chosen;
    document.getElementById("dark").media = media;
  }
}
