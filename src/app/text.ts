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
    offline: "Works offline.",
    broken: "This part of the page could not be loaded.",
  },
  update: {
    ready: "A new version is ready.",
    later: "A new version is ready. It can be loaded when the run has ended.",
    reload: "Reload",
  },
  start: {
    title: "Fine-tune a language model on this computer's GPU",
    lead: "No account, no upload, no install: the model is trained in this page.",
    adapter: "GPU",
    looking: "looking for it",
    software: "software, slow",
    noAdapter: "none that this page can use",
    softwareMeans:
      "WebGPU found no graphics card that it can use, so the processor does the work. " +
      "The demo takes minutes instead of seconds, a real model hours or days. Check that hardware acceleration " +
      "is on in the browser's settings and that the graphics driver is current.",
    tryTitle: "Try it now",
    tryLead: "A small model that comes with this page has never heard of the town of Quillmere. " +
      "It learns who lives there, from 256 questions and answers, in 200 steps.",
    tryButton: "Train the demo",
    tryBusy: "A run goes on",
    tryAfter: "Then ask it in Chat: “Who is the weaver of Quillmere?”",
    tryDone: (loss: number | undefined) =>
      `The model has learnt the town${loss === undefined ? "" : ` (loss ${loss.toFixed(3)})`}.`,
    tryAsk: "Ask it in Chat: “Who is the weaver of Quillmere?”",
    tryAnswer: "It is Bedok.",
    watch: "Watch it",
    cut: (name: string, step: number, steps: number) =>
      `The run ${name} was cut off at step ${step} of ${steps}. Nothing of it up to its last ` +
      "checkpoint is lost.",
    cutLink: "Go on with it",
    kept: (name: string) => `Your configuration ${name} was put aside.`,
    keptButton: "Take it back",
    stepsTitle: "Your own model, in four steps",
    steps: [
      {
        room: "model",
        title: "Model",
        says: "Drop a model's folder, or name one of Hugging Face; small ones train best here.",
      },
      {
        room: "data",
        title: "Data",
        says: "Drop a file of examples and see which of its words are trained.",
      },
      {
        room: "config",
        title: "Config",
        says: "A few choices, or the whole YAML of Axolotl, which runs unchanged in a terminal.",
      },
      {
        room: "train",
        title: "Train",
        says: "See what it needs before the start, watch it learn, and take the adapter along.",
      },
    ],
    privacy: "What you drop here is read by this page alone: nothing is uploaded, nothing is " +
      "counted, and the network is used only for what you name.",
    examples: "Examples to begin with",
    examplesFailed: "The examples could not be listed.",
    openShort: "Open",
    open: (name: string) => `Open ${name}`,
    help: {
      title: "This browser does not offer WebGPU here",
      noAdapter: "This browser has WebGPU, but it found no graphics card for it",
      lead: "Eft computes on the graphics card through WebGPU. What to do:",
      insecure: (host: string) =>
        `The address of this page begins with http:// and is not this computer (${host}). ` +
        "Browsers offer WebGPU only to safe pages: open it over https://, or on the computer that " +
        "serves it as http://localhost.",
      chrome: (version: number) =>
        version < 113
          ? `This is version ${version}; WebGPU comes with 113. Update the browser.`
          : "Open Settings, System, and switch on “Use graphics acceleration when available”; then " +
            "start the browser anew.",
      chromeLinux: "On Linux, open chrome://flags, set “Unsafe WebGPU Support” and “Vulkan” to " +
        "Enabled, and start the browser anew. Without flags it works on Intel graphics from Chrome " +
        "144 on and on NVIDIA from 147.",
      chromeAndroid:
        "On Android, WebGPU needs Android 12 and a Qualcomm, ARM or recent Imagination " +
        "GPU.",
      gpuPage: "The page chrome://gpu says in the line “WebGPU” why it is off.",
      firefoxWindows: (version: number) =>
        version < 141
          ? `This is Firefox ${version}; on Windows WebGPU comes with 141. Update it.`
          : "Open about:config and see that dom.webgpu.enabled is true; then update the graphics " +
            "driver.",
      firefoxMac: (version: number) =>
        version < 147
          ? `This is Firefox ${version}; on Macs with Apple silicon WebGPU comes with 147. Update it.`
          : "Firefox offers WebGPU on Macs with Apple silicon; on others, use Chrome or Edge.",
      firefoxOther:
        "Firefox does not offer WebGPU on this system by default. Use Chrome, Edge or " +
        "Chromium, or set dom.webgpu.enabled to true in about:config.",
      safari: (version: number) =>
        version < 26
          ? `This is Safari ${version}; WebGPU comes with Safari 26 (macOS Tahoe, iOS 26). Update ` +
            "the system, or use Chrome on a Mac."
          : "Open Settings, Advanced, Show features for web developers, then Feature Flags, and " +
            "switch WebGPU on.",
      iosOther: "On iPhone and iPad every browser is Safari inside: WebGPU comes with iOS 26.",
      driver: "Update the graphics driver; a virtual machine or remote desktop often has none.",
      other:
        "Use a current Chrome or Edge (113 or newer), Safari (26 or newer), or Firefox (141 or " +
        "newer on Windows).",
      still: "Everything but training and chat works here: you can look at data and edit " +
        "configurations.",
    },
  },
  model: {
    title: "Model",
    lead: "The base model that is trained. It stays as it is; what it learns becomes an adapter " +
      "beside it.",
    chosen: "In the configuration",
    none: "The configuration names no base_model.",
    looking: "Looking at it",
    absent: "It is not in this browser yet: it would be downloaded at the start, or now.",
    broken: "It cannot be trained:",
    download: "Download",
    facts: {
      family: "Family",
      parameters: "Parameters",
      layers: "Layers",
      width: "Width",
      heads: "Attention heads",
      vocabulary: "Vocabulary",
      positions: "Context",
      dtype: "Stored as",
      bytes: "Weights",
    },
    heads: (heads: string, keyHeads: string) =>
      heads === keyHeads ? heads : `${heads}, sharing ${keyHeads} key/value heads`,
    tokens: (count: string) => `${count} tokens`,
    quantized: (method: string, bits: number) => `${method}, ${bits} bits`,
    choose: "Choose another",
    embedded: "Comes with the page",
    embeddedSays: "A toy to see how training goes, small enough for any computer.",
    own: "From this computer",
    ownSays: "Drop a model's folder: config.json, tokenizer.json and the weights as safetensors.",
    ownFolder: "Choose a folder",
    ownFiles: "Choose files",
    hub: "From Hugging Face",
    hubName: "Name of the model",
    hubExample: "owner/name",
    hubBad: (name: string) => `“${name}” is not a name of the hub; it looks like owner/name.`,
    hubMore: "Token, revision, address",
    hubToken: "Token",
    hubTokenHint: "Only for models that ask for one. Kept in memory until the page is closed.",
    hubRemember: "Remember token and address in this browser",
    hubRevision: "Revision",
    hubRevisionHint: "A branch, a tag or a commit; empty for the newest.",
    hubAddress: "Address of the hub",
    hubAddressHint: "For a mirror; empty for huggingface.co.",
    suggestions: "Small ones that train well",
    copying: (name: string) => `Copying ${name}`,
    checking: "Looking at the files",
    downloading: (name: string) => `Downloading ${name}`,
    cancel: "Cancel",
    stoppedDownload: "Stopped. What arrived is kept: download it again to go on from there.",
    stoppedCopy: "Stopped. Nothing of it was kept.",
    waiting: "waiting",
    done: "done",
    total: (done: string, total: string) => `${done} of ${total}`,
    refused: "These files are not a model that Eft can train:",
    empty: "Nothing was dropped.",
    chosenNow: (name: string) => `${name} is chosen: base_model of the configuration names it now.`,
    noRoom: (needs: string, has: string) =>
      `This needs ${needs}, but the browser allows only ${has} more. Delete what you do not need ` +
      "below, or make room on the disk.",
    keptTitle: "Kept in this browser",
    keptNothing: "Nothing yet.",
    columns: { name: "Name", what: "What", size: "Size", actions: "Actions" },
    kinds: { site: "comes with the page", own: "dropped", hub: "Hugging Face", data: "data" },
    unfinished: "unfinished",
    use: "Use",
    goOn: "Go on",
    inUse: "in use",
    delete: "Delete",
    deleteSure: "Delete for good",
    keep: "Keep",
    named: (action: string, name: string) => `${action} ${name}`,
    usage: (used: string, quota: string) => `${used} used of ${quota} that the browser allows`,
    usageLabel: "Storage used",
    persisted: "The browser keeps it until you delete it.",
    notPersisted: "The browser may delete it when the disk is full.",
    persist: "Ask the browser to keep it",
    persistRefused: "The browser did not agree; it often does once the page is installed or " +
      "bookmarked.",
  },
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
