import * as z from "zod/mini";

/** A field of a configuration file. */
export interface Field {
  /** As in `peers[].name`. */
  readonly path: string;
  readonly type: string;
  /** What counts without the field. */
  readonly without: string;
  readonly meaning: string;
}

/** The part of JSON Schema that the schema uses. */
interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly without?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
}

/**
 * Every field of a schema, in its order.
 * @throws Error for a field without a meaning
 */
export function fieldsOf(schema: z.ZodMiniType): Field[] {
  // The output of a converter: JSON Schema, of which the parts above are read.
  return walk(z.toJSONSchema(schema) as JsonSchema, "");
}

function walk({ properties = {} }: JsonSchema, before: string): Field[] {
  return Object.entries(properties).flatMap(([name, field]) => {
    const path = `${before}${name}`;
    const { description, without } = field;
    if (description === undefined || without === undefined)
      throw new Error(`${path} has no meaning: write \`says(…)\` in mesh/src/config/own-format.ts`);
    const inner = field.items?.properties === undefined ? `${path}.` : `${path}[].`;
    return [
      { path, type: typeOf(field), without, meaning: description },
      ...walk(field.items?.properties === undefined ? field : field.items, inner),
    ];
  });
}

function typeOf(schema: JsonSchema): string {
  const { type, enum: values, items, anyOf, minimum, maximum, maxItems } = schema;
  if (anyOf !== undefined) return anyOf.map(typeOf).join(" or ");
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(", ");
  if (items !== undefined)
    return `list of ${pluralOf(items)}${maxItems === undefined ? "" : `, at most ${maxItems}`}`;
  if (type === "integer") return `whole number from ${minimum} to ${maximum}`;
  if (type === "boolean") return "`true` or `false`";
  return type === "string" ? "text" : "object";
}

function pluralOf(schema: JsonSchema): string {
  if (schema.items !== undefined) return `lists of ${pluralOf(schema.items)}`;
  return schema.type === "string" ? "texts" : "objects";
}
