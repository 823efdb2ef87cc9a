// Whether the server answers, and which models it has. While it is away it is asked again and again; its return
// begins another epoch, for views to ask anew what they had asked for.

import { useCallback, useEffect, useMemo, useState } from "./vendor/preact-htm.js";
import { call } from "./calls.js";

const RETRY_MILLISECONDS = 2000;

export function useServer() {
  const [state, setState] = useState({ models: null, epoch: 0, problem: null });
  const asks = !state.models || state.problem !== null;

  useEffect(() => {
    if (!asks) return;
    const stop = new AbortController();
    let timer = 0;
    async function ask() {
      try {
        const { models } = await call("models", null, stop.signal);
        setState((now) => ({ models, epoch: now.epoch + 1, problem: null }));
      } catch (problem) {
        if (stop.signal.aborted) return;
        setState((now) => ({ ...now, problem }));
        timer = setTimeout(ask, RETRY_MILLISECONDS);
      }
    }
    ask();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [asks]);

  const reportLoss = useCallback((problem) => setState((now) => ({ ...now, problem })), []);
  return useMemo(() => ({ ...state, reportLoss }), [state, reportLoss]);
}
