// One translation as it comes.

import { useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { CallError, events } from "./calls.js";
import { usePage } from "./context.js";

const NOTHING = { source: "", text: "", translation: null, error: null, isRunning: false, first: 0, last: 0 };

// The translation that a request asks for, again whenever the request changes; none of null. `wait`: milliseconds that
// typing has to rest. What there was before stays until something new has come.
export function useTranslation(request, wait = 0) {
  const { server } = usePage();
  const [shown, setShown] = useState(NOTHING);
  const isFirst = useRef(true);
  const body = request && JSON.stringify(request);

  useEffect(() => {
    if (!body || !server.models || server.problem) {
      if (!body) setShown(NOTHING);
      return;
    }
    const stop = new AbortController();
    setShown((now) => ({ ...now, isRunning: true }));
    const timer = setTimeout(follow, isFirst.current ? 0 : wait);
    isFirst.current = false;

    async function follow() {
      let now = { ...NOTHING, source: request.contents[0], isRunning: true };
      try {
        for await (const event of events("translate", request, stop.signal)) {
          if (event.error) throw new CallError(event.error);
          now = {
            ...now,
            text: now.text + (event.textDelta ?? ""),
            translation: event.translation ?? null,
            isRunning: !event.translation,
            first: now.first || event.milliseconds,
            last: event.milliseconds,
          };
          setShown(now);
        }
        if (now.isRunning) throw new CallError({ code: "UNAVAILABLE" });
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error.isLoss) server.reportLoss(error);
        setShown((before) => ({ ...before, error: error.isLoss ? null : error, isRunning: false }));
      }
    }

    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [body, server.epoch, server.problem]);

  return shown;
}
