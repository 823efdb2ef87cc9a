// Every kind of call of the contract over one of the two transports that browsers have.
// node connect.js URL connect|grpc-web FILE_DESCRIPTOR_SET
import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

const [, , baseUrl, kind, path] = process.argv;
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(path)));
const transport = (kind === "connect" ? createConnectTransport : createGrpcWebTransport)({ baseUrl });
const client = createClient(registry.getService("translation.v1.TranslationService"), transport);

const contents = ["A dog sleeps."];
const answer = await client.translate({ contents, decoding: { beamSize: 2 } });
let streamed = "";
for await (const { event } of client.streamTranslate({ contents })) {
  if (event.case === "textDelta") streamed += event.value;
}
const { models } = await client.listModels({});

async function refusal(call) {
  try {
    await call;
    return null;
  } catch (error) {
    const { code, rawMessage, details } = ConnectError.from(error);
    return { code: Code[code], message: rawMessage, details: details.map((detail) => detail.type) };
  }
}

const wrong = await refusal(client.translate({ contents: ["x".repeat(10001)] }));
const unknown = await refusal(client.getModel({ name: "none" }));
const late = await refusal(client.translate({ contents: Array(100).fill(contents[0]) }, { timeoutMs: 1 }));
console.log(
  JSON.stringify({
    translated: answer.translations[0].translatedText,
    streamed,
    models: models.map((model) => model.name),
    wrong,
    unknown,
    late: late.code,
  }),
);
