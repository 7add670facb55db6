// Every sentence that the page shows, by room, so that it can be read, corrected and translated in
// one place. What the engine says (notes, errors) comes from the engine.

export const text = {
  rooms: {
    start: "Start",
    model: "Model",
    data: "Data",
    config: "Config",
    train: "Train",
    chat: "Chat",
    runs: "Runs",
  },
  shell: {
    name: "Eft",
    skip: "Skip to the content",
    navigation: "Rooms",
    loading: "Loading",
    theme: { system: "System colours", light: "Light", dark: "Dark" },
    themeButton: (theme: string) => `Colours: ${theme}`,
    private: "Everything stays on this computer.",
    broken: "This part of the page could not be loaded.",
  },
  start: {
    title: "Fine-tune a language model on this computer's GPU",
    lead: "No account, no upload, no install: the model is trained in this page.",
    adapter: "GPU",
    looking: "looking for it",
    software: "software, slow",
  },
  model: { title: "Model" },
  data: { title: "Data" },
  config: { title: "Configuration" },
  plan: { title: "Before the start" },
  train: {
    title: "Train",
    start: "Start",
    starting: "starting",
    finished: "finished",
  },
  chat: { title: "Chat" },
  runs: { title: "Runs" },
};
