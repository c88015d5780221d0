/** More than most would send; the option `maxMessageBytes` allows it. */
const LONG = 65_536;

/** So many that a fault in every second signature shows. */
const SHORT_MESSAGES = 20;

const PATIENCE_MS = 20_000;

/** Bytes that tell each place from another. */
function pattern(length) {
  return Uint8Array.from({ length }, (_, i) => (7 * i + (i >> 8)) & 255);
}

/** Longer than a message waits until it is published further: that timer comes too late. */
const BUSY_MS = 600;

function keepBusy(ms) {
  const until = Date.now() + ms;
  while (Date.now() < until);
}

/** Sends so many bytes, and waits until the same come back. */
async function echo(pipe, inbox, encrypt, length, isBusy = false) {
  const bytes = pattern(length);
  const sending = pipe.send(bytes, { timeoutMs: PATIENCE_MS });
  if (isBusy) setTimeout(keepBusy, 0, BUSY_MS);
  const sent = await sending;
  if (sent !== length) throw new Error(`${sent} of ${length} bytes acknowledged`);
  const { value } = await inbox.next();
  if (value === undefined) throw new Error(`no echo of ${length} bytes`);
  if (value.from !== pipe.to) throw new Error("a message of somebody else");
  if (value.sealed !== encrypt) throw new Error(`sealed: ${value.sealed}, sent with encrypt: ${encrypt}`);
  if (value.data.length !== length || !bytes.every((byte, i) => byte === value.data[i]))
    throw new Error(`${length} bytes came back as others`);
}

/** Options for one transport; the job's certificate is trusted where it has one. */
function optionsFor(transport, brokers, ca) {
  return {
    getTime: Date.now,
    brokers,
    transports: [transport],
    maxMessageBytes: LONG,
    ...(ca === undefined ? {} : { ca }),
  };
}

/** Over one transport, sealed or not: with a router of the same program, and with the peer elsewhere. */
async function talk({ Keypair, Router }, { transport, encrypt, isBusy }, { pool, ca, peer }) {
  const options = { ...optionsFor(transport, pool, ca), encrypt, requireEncryption: encrypt };
  const ann = new Router(Keypair.generate(), options);
  const ben = new Router(Keypair.generate(), {
    ...options,
    onMessage: (message) => message.reply(message.data),
  });
  // Not AbortSignal.timeout: Deno waits for its end before it exits.
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  const { signal } = patience;
  const inbox = ann.messages({ signal });
  try {
    await Promise.all([ann.start({ signal }), ben.start({ signal })]);
    for (const address of [ben.address, peer]) {
      const pipe = await ann.pipe(address, { encrypt });
      for (const length of [LONG, ...Array(SHORT_MESSAGES).keys()])
        await echo(pipe, inbox, encrypt, length, isBusy && length === 1);
    }
  } finally {
    clearTimeout(timer);
    await Promise.all([ann.close(), ben.close()]);
  }
}

/** A broker whose certificate is not good has to be refused, and for that reason. */
async function refuse({ Keypair, Router }, transport, pool, ca) {
  const router = new Router(Keypair.generate(), optionsFor(transport, pool, ca));
  const told = new Promise((resolve) => {
    router.on("broker", (event) => {
      if (event.state === "open" || event.error !== undefined) resolve(event);
    });
  });
  const started = router.start().catch((error) => error);
  try {
    const { state, error } = await told;
    if (state === "open") throw new Error("a bad certificate was taken");
    // A page is not told why.
    if (typeof window === "undefined" && error.reason !== "tls") throw error;
  } finally {
    await router.close();
    await started;
  }
}

/**
 * Has the job's talks one after the other, and meets brokers with bad certificates. What goes wrong in one is told
 * beside it.
 */
exports.talks = async (sidewire, job) => {
  const tried = (work) =>
    work.then(
      () => null,
      (error) => String(error?.stack ?? error),
    );
  const results = [];
  for (const [i, kind] of job.kinds.entries()) {
    const error = await tried(talk(sidewire, { ...kind, isBusy: i === 0 }, job));
    results.push({ ...kind, error });
  }
  for (const { transport, pool, ca } of job.refused) {
    const error = await tried(refuse(sidewire, transport, pool, ca));
    results.push({ transport, encrypt: false, error });
  }
  return results;
};
