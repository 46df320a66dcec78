/** The code that writes binary rows as JSON, made once for each shape of result. */

import type { ColumnKind, ScalarType } from "../arrow/column_types.ts";
import { copyShort, shortBytesMax } from "../arrow/copy_bytes.ts";
import { labelIndex, type LabelTable, labelTable } from "../arrow/labels.ts";
import type { ConstantField, ResultField } from "../arrow/result_field.ts";
import {
  grouped,
  indexes,
  int32,
  rowCode,
  rowHead,
  rowTail,
  type RowTarget,
  WALK_FUNCTIONS,
  walkVariables,
} from "../arrow/row_code.ts";
import type { Place } from "../arrow/row_faults.ts";
import { numericTextBytes, writeInteger } from "../arrow/write_text.ts";
import * as writers from "./write_values.ts";

/** Where the code writes; `JsonRows` is it. */
export interface JsonTarget {
  out: Uint8Array;
  /** Over the same bytes as `out`. */
  view: DataView;
  /** Behind the last whole row. */
  end: number;
  /** Where the row at hand goes on; used where code is cut into several functions. */
  at: number;
  rows: number;
  /** A buffer with room for `more` bytes behind `o`, with all that lies before `o`. */
  grow(o: number, more: number, row: number): Uint8Array;
}

/** Writes the rows of `b` from `p` to `end`; `rows` and `end` of the target advance row by row. */
export type WriteRows = (
  target: JsonTarget,
  b: Uint8Array,
  /** Over the same bytes as `b`. */
  v: DataView,
  p: number,
  end: number,
) => void;

/** Bytes that a value of a kind takes at most as JSON, where that is known. */
const JSON_BYTES: Readonly<Partial<Record<ColumnKind, number>>> = {
  bool: 5,
  int2: 6,
  int4: 11,
  int8: 22,
  float4: 26,
  float8: 26,
  uuid: 38,
  date: 20,
  time: 20,
  timestamp: 40,
  timestamptz: 40,
  interval: 98,
};

/**
 * Makes the code. Its variables beside those of the walk: `w` the target, `out` its buffer, `s` the
 * view of it, `v` the view of `b`, `o` where in `out` we are.
 */
export function jsonCode(
  fields: readonly ResultField[],
  unrepresentable: "error" | "null",
): WriteRows {
  const tables: LabelTable[] = [];
  const texts: Uint8Array[] = [];
  const spare = objectBytes(fields) + fields.reduce((sum, field) => sum + itemBytes(field), 0);
  const code = rowCode(fields, unrepresentable, () => new JsonRowTarget(tables, texts, spare));
  const groups = grouped(code);
  const begin = `${room("0", spare)}if(row>0)out[o++]=44;out[o++]=123;`;
  const finish = `out[o++]=125;${rowTail}p=e;w.end=o;w.rows=++row;`;
  const loop = (variables: string, body: string) =>
    `return function(w,b,v,p,end){${variables}let out=w.out,s=w.view,o=w.end,q=0,e=0,row=w.rows;` +
    `while(p<end){${rowHead(code.columns)}${begin}${body}${finish}}}`;

  let source: string;
  if (groups.length <= 1) {
    const { first, end, body } = groups[0] ?? { first: 0, end: 0, body: "" };
    source = loop(walkVariables(code, first, end), body);
  } else {
    const functions = groups.map(({ first, end, body }, i) =>
      `function g${i}(w,b,v,q,e,row){${
        walkVariables(code, first, end)
      }let out=w.out,s=w.view,o=w.at;` +
      `${body}w.at=o;return q;}`
    );
    const calls = groups.map((_, i) => `q=g${i}(w,b,v,q,e,row);`).join("");
    source = functions.join("") + loop("", `w.at=o;${calls}out=w.out;s=w.view;o=w.at;`);
  }
  const functions = {
    ...WALK_FUNCTIONS,
    ...writers,
    copyShort,
    faults: code.faults,
    labelIndex,
    numericTextBytes,
    tables,
    texts,
    writeInteger,
  };
  const make = new Function(...Object.keys(functions), source) as (
    ...values: unknown[]
  ) => WriteRows;
  return make(...Object.values(functions));
}

/**
 * Code that makes room for something of varying length and for the `spare` bytes behind it: the
 * keys, marks and values of known length of a whole row and of one element of each list. That is the
 * most that can follow before the next such code, since each element of a list makes room again.
 */
function room(bytes: string, spare: number): string {
  return `if(o+${bytes}+${spare}>out.length){out=w.grow(o,${bytes}+${spare},row);s=w.view;}`;
}

/** Code that copies `n` bytes of the row. */
function copied(from: string): string {
  return `if(n<=${shortBytesMax})copyShort(s,o,v,${from},n);` +
    `else out.set(b.subarray(${from},${from}+n),o);o+=n;`;
}

/** Bytes of an object but for values of varying length and elements of lists. */
function objectBytes(fields: readonly ResultField[]): number {
  return fields.reduce((sum, field) => sum + key(field, false).length + valueBytes(field), 8);
}

/** The same of one element of each list below a field. */
function itemBytes(field: ResultField): number {
  if (field.kind === "object") {
    return field.fields.reduce((sum, inner) => sum + itemBytes(inner), 0);
  }
  return field.kind === "list" ? 1 + valueBytes(field.item) + itemBytes(field.item) : 0;
}

function valueBytes(field: ResultField): number {
  switch (field.kind) {
    case "scalar":
      return field.type.kind === "enum"
        ? Math.max(4, ...field.type.labels.map((label) => quoted(label).length))
        : JSON_BYTES[field.type.kind] ?? 8;
    case "object":
      return objectBytes(field.fields);
    case "list":
      return 8;
    case "constant":
      return quoted(field.value).length;
    default:
      return field satisfies never;
  }
}

const encoder = new TextEncoder();

function key(field: ResultField, first: boolean): Uint8Array {
  if (field.kind === "object" && field.isElement) return encoder.encode(first ? "" : ",");
  return encoder.encode(`${first ? "" : ","}${JSON.stringify(field.name)}:`);
}

function quoted(text: string): Uint8Array {
  return encoder.encode(JSON.stringify(text));
}

function isArray(field: ResultField): boolean {
  return field.kind === "object" && field.elements === true;
}

/** Longer texts are copied by the engine. */
const spelledOutBytesMax = 64;

class JsonRowTarget implements RowTarget {
  constructor(
    private readonly tables: LabelTable[],
    private readonly texts: Uint8Array[],
    private readonly spare: number,
  ) {}

  beforeField(place: Place, first: boolean): string {
    return this.text(key(place.field, first));
  }

  constant(_place: Place, field: ConstantField): string {
    return this.text(quoted(field.value));
  }

  beginObject({ field }: Place): string {
    return isArray(field) ? "out[o++]=91;" : "out[o++]=123;";
  }

  endObject({ field }: Place): string {
    return isArray(field) ? "out[o++]=93;" : "out[o++]=125;";
  }

  beginList(): string {
    return "out[o++]=91;";
  }

  beginItem(list: Place): string {
    return `${room("0", this.spare)}if(k${list.id}>0)out[o++]=44;`;
  }

  endItem(): string {
    return "";
  }

  endList(): string {
    return "out[o++]=93;";
  }

  afterList(): string {
    return "";
  }

  nothing(): string {
    return spelled(NULL);
  }

  scalar(place: Place, type: ScalarType): string {
    switch (type.kind) {
      case "bool":
        return `if(b[q]!==0){${spelled(TRUE)}}else{${spelled(FALSE)}}`;
      case "int2":
        return "o=writeInteger(out,o,b[q]<<24>>16|b[q+1]);";
      case "int4":
        return `o=writeInteger(out,o,${int32("q")});`;
      case "int8":
        return `o=writeQuotedInt8(out,o,${int32("q")},${int32("q+4")});`;
      case "float4":
        return `o=writeFloat4(out,o,${int32("q")});`;
      case "float8":
        return `o=writeFloat8(out,o,${int32("q")},${int32("q+4")});`;
      case "decimal":
      case "numeric":
        return `n=numericTextBytes(b,q);${room("n", this.spare)}o=writeQuotedNumeric(out,o,b,q);`;
      case "text":
        return `n=stringBytesMax(b,q,l);${room("n", this.spare)}o=writeString(out,s,o,b,v,q,l);`;
      case "uuid":
        return "o=writeQuotedUuid(s,o,b,q);";
      case "json":
        return `${room("l", this.spare)}n=l;${copied("q")}`;
      case "jsonb":
        return `${room("l", this.spare)}n=l-1;${copied("q+1")}`;
      case "bytea":
        return `${room("(l/3|0)*4+4", this.spare)}o=writeBase64(out,o,b,q,l);`;
      case "date":
        // x is the value, read where it was checked.
        return "o=writeDate(out,o,x);";
      case "time":
        return `o=writeTime(out,o,${int32("q")},${int32("q+4")});`;
      case "timestamp":
      case "timestamptz":
        return `o=writeTimestamp(out,o,x,${int32("q+4")},${type.kind === "timestamptz"});`;
      case "interval":
        return "o=writeQuotedInterval(out,o,b,q);";
      case "enum": {
        const table = this.tables.push(labelTable(type.labels)) - 1;
        const first = this.texts.length;
        for (const label of type.labels) this.texts.push(quoted(label));
        return `x=labelIndex(tables[${table}],b,q,l);` +
          `if(x<0)throw faults.unknownLabel(${place.id},row,${indexes(place)},b,q,l);` +
          `n=texts[${first}+x];for(y=0;y<n.length;y++)out[o+y]=n[y];o+=n.length;`;
      }
      default:
        return type satisfies never;
    }
  }

  /** A text known beforehand. */
  private text(bytes: Uint8Array): string {
    if (bytes.length <= spelledOutBytesMax) return spelled(bytes);
    const index = this.texts.push(bytes) - 1;
    return `out.set(texts[${index}],o);o+=${bytes.length};`;
  }
}

const NULL = encoder.encode("null");
const TRUE = encoder.encode("true");
const FALSE = encoder.encode("false");

/** Code that writes bytes four at a time; up to three behind them are overwritten by what follows. */
function spelled(bytes: Uint8Array): string {
  const padded = new Uint8Array((bytes.length + 3) & ~3);
  padded.set(bytes);
  const view = new DataView(padded.buffer);
  const writes = Array.from(
    { length: padded.length / 4 },
    (_, i) => `s.setInt32(o+${4 * i},${view.getInt32(4 * i)});`,
  );
  return `${writes.join("")}o+=${bytes.length};`;
}
