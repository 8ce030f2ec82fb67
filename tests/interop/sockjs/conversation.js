// What sockjs-client says to the test server, in node and in browsers alike.

const kPatience = 20_000;

/** What transports are known to mangle, and what is larger than a streaming response of the test server. */
export const kMessages = [
  "hello",
  "",
  " leading and trailing ",
  "\"quotes\" \\ / ' </script><b>&amp;",
  "\u0000\u0001\b\t\n\f\r\u001f\u007f\u0080\u009f\u00ad",
  "ünïcødé € 🧀 \u200c\u200f\u2028\u2029\u202f\u2060\u206f\ufeff\ufff0\uffff",
  "x".repeat(10_000),
  ...Array.from({ length: 100 }, (_, i) => `number ${i}`),
];

/** Resolves with what `use` calls `done` with; rejects when the session ends before, or nothing comes of it. */
function session(SockJS, url, transport, use) {
  return new Promise((resolve, reject) => {
    const socket = new SockJS(url, undefined, { transports: transport, timeout: 5_000 });
    const timer = setTimeout(() => {
      reject(new Error(`${transport}: nothing within ${kPatience / 1000} s`));
      socket.close();
    }, kPatience);
    const done = (result) => {
      clearTimeout(timer);
      resolve(result);
    };
    socket.onclose = (event) => {
      clearTimeout(timer);
      reject(new Error(`${transport}: closed with ${event.code} ${event.reason}`));
    };
    use(socket, done);
  });
}

/** Sends all messages, and resolves with the transport's name when each has come back once, in its order. */
export function echo(SockJS, url, transport) {
  return session(SockJS, url, transport, (socket, done) => {
    let expected = 0;
    socket.onopen = () => {
      for (const message of kMessages) socket.send(message);
    };
    socket.onmessage = ({ data }) => {
      if (data !== kMessages[expected++]) throw new Error(`${transport}: message ${expected - 1} came as ${JSON.stringify(data)}`);
      if (expected === kMessages.length) {
        const used = socket.transport; // it has none once it is closed
        socket.onclose = () => done(used);
        socket.close();
      }
    };
  });
}

/** A server that greets and closes: resolves with code and reason. */
export function closes(SockJS, url, transport) {
  return session(SockJS, url, transport, (socket, done) => {
    socket.onclose = ({ code, reason, wasClean }) => done(`${code} ${reason} ${wasClean}`);
  });
}
