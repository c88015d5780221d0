/** Runs in both kinds of page, before all else: notes when the first data channel opens, whoever makes it. */

declare global {
  interface Window {
    /** When the first channel was open, Unix ms. */
    openedAt: number | undefined;
    /** What happened on the way there, and when, Unix ms. */
    readonly steps: Record<string, number>;
  }
}

Object.assign(window, { openedAt: undefined, steps: {} });

/** Notes a step, the first time. */
export function mark(step: string): void {
  window.steps[step] ??= performance.timeOrigin + performance.now();
}

function watch(channel: RTCDataChannel): void {
  const opened = (): void => {
    window.openedAt ??= performance.timeOrigin + performance.now();
    mark("channel");
  };
  if (channel.readyState === "open") opened();
  else channel.addEventListener("open", opened);
}

const Original = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Original {
  constructor(configuration?: RTCConfiguration) {
    super(configuration);
    this.addEventListener("datachannel", ({ channel }) => watch(channel));
    this.addEventListener("iceconnectionstatechange", () => mark(`ICE ${this.iceConnectionState}`));
    this.addEventListener("connectionstatechange", () => mark(`connection ${this.connectionState}`));
  }

  override createDataChannel(label: string, options?: RTCDataChannelInit): RTCDataChannel {
    const channel = super.createDataChannel(label, options);
    watch(channel);
    return channel;
  }
};

const OriginalWebSocket = window.WebSocket;
window.WebSocket = class extends OriginalWebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols);
    mark("first WebSocket");
    this.addEventListener("open", () => mark("first WebSocket open"));
  }
};
