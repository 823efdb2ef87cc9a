// Calls to the gateway. What goes wrong is thrown as a CallError, whichever way it went wrong.

export class CallError extends Error {
  constructor({ code = "INTERNAL", message = "", field = "", retryAfter = null }) {
    super(message);
    Object.assign(this, { code, field, retryAfter });
  }

  // Whether nobody answers, so that the same call may succeed later.
  get isLoss() {
    return this.code === "UNAVAILABLE";
  }
}

const LOST = { code: "UNAVAILABLE", message: "" };

async function send(path, body, signal) {
  const options = body
    ? { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" }, signal }
    : { signal };
  let answer;
  try {
    answer = await fetch(`page/${path}`, options);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new CallError(LOST);
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new CallError(told.error ?? { message: `HTTP ${answer.status}` });
}

export async function call(path, body, signal) {
  return (await send(path, body, signal)).json();
}

// The events of a stream, as they come. An event that is an error is given like any other.
export async function* events(path, body, signal) {
  const reader = (await send(path, body, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n\n");
      rest = lines.pop();
      for (const line of lines) if (line.startsWith("data: ")) yield JSON.parse(line.slice(6));
    }
  } catch (error) {
    if (signal?.aborted || error instanceof CallError) throw error;
    throw new CallError(LOST);
  } finally {
    reader.cancel().catch(() => {});
  }
}
