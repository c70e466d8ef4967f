// Validates an OpenAPI description against the specification, and values against the description. Standard input is
// {document, values: [{name, schema, value}]}, where a schema is a JSON pointer into the document. Prints one error on
// each line.

import { readFileSync } from "node:fs";

import { Validator } from "@seriousme/openapi-schema-validator";
import ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const Ajv = ajv2020.default ?? ajv2020;
const { document, values } = JSON.parse(readFileSync(0, "utf8"));
const wrong = [];

const judged = await new Validator().validate(structuredClone(document));
if (!judged.valid) {
  for (const error of [judged.errors].flat()) {
    wrong.push(typeof error === "string" ? error : `the description: ${error.instancePath} ${error.message}`);
  }
}

// Rejects properties that are not described: an object schema with properties allows no others.
function close(schema) {
  if (schema === null || typeof schema !== "object") return;
  if (schema.properties && schema.type === "object" && schema.additionalProperties === undefined) {
    schema.additionalProperties = false;
  }
  for (const part of Object.values(schema)) close(part);
}

const closed = structuredClone(document);
close(closed);
const ajv = new Ajv({ strict: false, allErrors: true, validateSchema: false });
(addFormats.default ?? addFormats)(ajv);
for (const format of ["int64", "int32"]) ajv.addFormat(format, true);
ajv.addSchema(closed, "description");
for (const { name, schema, value } of values) {
  let check;
  try {
    check = ajv.compile({ $ref: `description${schema}` });
  } catch (error) {
    wrong.push(`${name}: ${error.message}`);
    continue;
  }
  if (!check(value)) {
    for (const error of check.errors) {
      wrong.push(`${name}: ${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
    }
  }
}

for (const line of wrong) console.log(line);
process.exit(wrong.length === 0 ? 0 : 1);
