// The running batches as the gateway tells them, for as long as somebody looks: a page that is hidden does not.

import { useEffect, useState } from "./vendor/preact-htm.js";
import { CallError, events } from "./calls.js";
import { usePage } from "./context.js";
import { Track } from "./tracks.js";

const STILL_MILLISECONDS = 1000; // between two drawings, for those who want nothing to move

const trackName = ({ model, version, engine }) => `${model}@${version} ${engine}`;

function useIsVisible() {
  const [isVisible, setIsVisible] = useState(!document.hidden);
  useEffect(() => {
    const look = () => setIsVisible(!document.hidden);
    addEventListener("visibilitychange", look);
    return () => removeEventListener("visibilitychange", look);
  }, []);
  return isVisible;
}

// { tracks: [Track, ...], error }, anew with every state that has come. `span`: milliseconds that tracks remember.
export function useBatches(span, isStill) {
  const { server } = usePage();
  const [seen, setSeen] = useState({ tracks: [], error: null });
  const isVisible = useIsVisible();

  useEffect(() => {
    if (!isVisible || server.problem) return;
    const stop = new AbortController();
    follow(stop.signal);

    async function follow(signal) {
      const tracks = new Map();
      let shown = -Infinity;
      try {
        for await (const event of events("batches", null, signal)) {
          if (event.error) throw new CallError(event.error);
          const at = performance.now();
          for (const batch of event.batches) {
            const name = trackName(batch);
            if (!tracks.has(name)) tracks.set(name, new Track());
            tracks.get(name).take(batch, at, span);
          }
          if (isStill && at < shown + STILL_MILLISECONDS) continue;
          shown = at;
          setSeen({ tracks: [...tracks.values()], error: null });
        }
        throw new CallError({ code: "UNAVAILABLE" });
      } catch (error) {
        if (signal.aborted) return;
        if (error.isLoss) server.reportLoss(error);
        setSeen(({ tracks: before }) => ({ tracks: before, error: error.isLoss ? null : error }));
      }
    }

    return () => stop.abort();
  }, [isVisible, span, isStill, server.epoch, server.problem]);

  return seen;
}
