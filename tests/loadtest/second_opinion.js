// k6: calls at a constant rate, by as many connections as there are calls at a time. ADDRESS, RATE and SECONDS are its environment.
import grpc from "k6/net/grpc";

const client = new grpc.Client();
client.load(["../../proto/translation/v1"], "translation.proto");

export const options = {
  scenarios: {
    sentences: {
      executor: "constant-arrival-rate",
      rate: Number(__ENV.RATE),
      timeUnit: "1s",
      duration: `${__ENV.SECONDS}s`,
      preAllocatedVUs: 2 * Number(__ENV.RATE),
    },
  },
  summaryTrendStats: ["p(25)", "p(50)", "p(75)", "p(90)"],
  thresholds: { dropped_iterations: ["count==0"], checks: ["rate==1"] },
};

export default function () {
  if (__ITER === 0) {
    client.connect(__ENV.ADDRESS, { plaintext: true });
  }
  const answer = client.invoke("translation.v1.TranslationService/Translate", { model: "fast", contents: ["one"] });
  if (answer.status !== grpc.StatusOK) {
    throw new Error(`${answer.status}: ${JSON.stringify(answer.error)}`);
  }
}
