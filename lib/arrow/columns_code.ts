/** The code that puts binary rows into column buffers, made once for each shape of result. */

import type { ScalarType } from "./column_types.ts";
import { bitsPerValue, type Columns, isNullable, layoutOf } from "./columns.ts";
import { copyShort, shortBytesMax } from "./copy_bytes.ts";
import { writeDecimal } from "./decimal.ts";
import { labelIndex, type LabelTable, labelTable } from "./labels.ts";
import type { ConstantField, ResultField } from "./result_field.ts";
import {
  epochMicroseconds,
  grouped,
  indexes,
  int32,
  type RowCode,
  rowCode,
  rowHead,
  rowTail,
  type RowTarget,
  WALK_FUNCTIONS,
  walkVariables,
} from "./row_code.ts";
import type { Place } from "./row_faults.ts";
import {
  numericTextBytes,
  textBytesMax,
  writeInterval,
  writeNumeric,
  writeUuid,
} from "./write_text.ts";

/**
 * Reads rows from `b[p]` up to `end` until the batch is full; gives the offset of the first row that
 * was not read. When the last row read went over `batchBytesMax` behind others, it is not counted in
 * `rows`, but lies in the buffers: `truncate(rows)` takes it out.
 */
export type ReadRows = (
  columns: Columns,
  b: Uint8Array,
  p: number,
  end: number,
  rowsMax: number,
  bytesMax: number,
) => number;

/** The code of one shape, and what its columns are. */
export interface ColumnsCode {
  readonly places: readonly Place[];
  readonly readRows: ReadRows;
}

/** Makes the code; `compiled.ts` keeps it. */
export function columnsCode(
  fields: readonly ResultField[],
  unrepresentable: "error" | "null",
): ColumnsCode {
  const labels: LabelTable[] = [];
  let target: ColumnsTarget | undefined;
  const code = rowCode(fields, unrepresentable, (places) => {
    return target = new ColumnsTarget(places, labels);
  });
  const source = sourceOf(code, target!);
  const functions = {
    ...WALK_FUNCTIONS,
    copyShort,
    labelIndex,
    labels,
    faults: code.faults,
    numericTextBytes,
    writeDecimal,
    writeInterval,
    writeNumeric,
    writeUuid,
  };
  const names = Object.keys(functions);
  const make = new Function(...names, source) as (...values: unknown[]) => ReadRows;
  return { places: code.places, readRows: make(...Object.values(functions)) };
}

function sourceOf(code: RowCode, target: ColumnsTarget): string {
  const groups = grouped(code);
  const rowBits = code.places.filter((place) => place.index === "r")
    .reduce((sum, { field }) => sum + bitsPerValue(field), 0);
  // Padding of up to three buffers a column, and the one offset more than values.
  const always = code.places.length * 28;
  const fixedSize = `0.125*(r+1)*${rowBits}+${always}`;
  const loop = (variables: string, body: string, size: string, after: string) =>
    `return function(t,b,p,end,rowsMax,bytesMax){const s=new DataView(b.buffer,b.byteOffset,b.byteLength);` +
    `${variables}let q=0,e=0,r=t.rows,row=t.rowsBefore+r;` +
    `while(p<end&&r<rowsMax){${rowHead(code.columns)}${body}${rowTail}` +
    `if(${size}>bytesMax){t.full=true;if(r===0){r=1;p=e;}break;}r++;row++;p=e;}${after}t.rows=r;return p;}`;

  if (groups.length <= 1) {
    const { first, end, body } = groups[0] ?? { first: 0, end: 0, body: "" };
    const grow = `if(r===h){h=t.growRows();${target.reload(first, end, "r")}}`;
    return loop(
      `let h=t.capacity;` + walkVariables(code, first, end) + target.load(first, end),
      grow + body,
      `${fixedSize}${target.size(first, end)}`,
      target.store(first, end),
    );
  }
  const functions = groups.map(({ first, end, body }, i) =>
    `function g${i}(t,b,s,q,e,r,row){${walkVariables(code, first, end)}${target.load(first, end)}` +
    `${body}${target.store(first, end)}t.size+=0${target.size(first, end)};return q;}`
  );
  const calls = groups.map((_, i) => `q=g${i}(t,b,s,q,e,r,row);`).join("");
  return functions.join("") +
    loop("", `if(r===t.capacity)t.growRows();t.size=${fixedSize};${calls}`, "t.size", "");
}

/**
 * For the column with id 7 the code holds `t7` the `Column`, `v7` validity, `u7` nulls, `f7` fixed
 * words, `w7` bits, `o7` offsets, `d7` data, `s7` a view of it, `p7` bytes used of it, `m7` elements of a list, `h7`
 * elements for which there is room.
 */
class ColumnsTarget implements RowTarget {
  constructor(
    private readonly places: readonly Place[],
    private readonly labels: LabelTable[],
  ) {}

  /** Declares and reads the variables of columns. */
  load(first: number, end: number): string {
    return this.places.slice(first, end).map((place) => {
      const id = place.id;
      const state = [
        ...isNullable(place.field) ? [`u${id}=t${id}.nulls`] : [],
        ...buffers(place).map(([letter, name]) => `${letter}${id}=t${id}.${name}`),
        ...counters(place).map(([letter, name]) => `${letter}${id}=t${id}.${name}`),
      ];
      return `const t${id}=t.all[${id}];${state.length > 0 ? `let ${state.join(",")};` : ""}`;
    }).join("");
  }

  /** Reads the buffers again that growing has replaced. */
  reload(first: number, end: number, index: string): string {
    return this.places.slice(first, end).filter((place) => place.index === index)
      .flatMap((place) =>
        buffers(place).filter(([letter]) => letter !== "d" && letter !== "s")
          .map(([letter, name]) => `${letter}${place.id}=t${place.id}.${name};`)
      ).join("");
  }

  /** Writes the counters back. */
  store(first: number, end: number): string {
    return this.places.slice(first, end).flatMap((place) => [
      ...isNullable(place.field) ? [`t${place.id}.nulls=u${place.id};`] : [],
      ...counters(place).filter(([letter]) => letter !== "h")
        .map(([letter, name]) => `t${place.id}.${name}=${letter}${place.id};`),
    ]).join("");
  }

  /** Adds up what grows otherwise than by rows. */
  size(first: number, end: number): string {
    return this.places.slice(first, end).map(({ id, field }) => {
      const kind = layoutOf(field).kind;
      if (kind === "bytes") return `+p${id}`;
      if (kind !== "list") return "";
      const bits = this.places.filter(({ index }) => index === `m${id}`)
        .reduce((sum, item) => sum + bitsPerValue(item.field), 0);
      return `+0.125*m${id}*${bits}`;
    }).join("");
  }

  beforeField(): string {
    return "";
  }

  constant(_place: Place, _field: ConstantField): string {
    return "";
  }

  beginObject(): string {
    return "";
  }

  endObject(): string {
    return "";
  }

  beginList(list: Place): string {
    const id = list.id;
    // The element's places follow the list's own, up to the end of the list's columns.
    const last = id + 1 + descendants(list.field);
    return `if(m${id}+c${id}>h${id}){h${id}=t${id}.growItems(m${id}+c${id},row);${
      this.reload(id, last, `m${id}`)
    }}`;
  }

  beginItem(): string {
    return "";
  }

  endItem(list: Place): string {
    return `m${list.id}++;`;
  }

  endList(): string {
    return "";
  }

  afterList(list: Place): string {
    return `o${list.id}[${list.index}+1]=m${list.id};`;
  }

  nothing(place: Place): string {
    const { id, field, index } = place;
    const nulled = isNullable(field) ? `v${id}[${index}>>3]&=~(1<<(${index}&7));u${id}++;` : "";
    const layout = layoutOf(field);
    switch (layout.kind) {
      case "bits":
      case "constant":
        return nulled;
      case "fixed":
        // What an earlier batch left must not be sent.
        return nulled + words(layout.bits, (k) => `f${id}[${at(index, layout.bits, k)}]=0;`);
      case "bytes":
        return `${nulled}o${id}[${index}+1]=p${id};`;
      case "list":
        return `${nulled}o${id}[${index}+1]=m${id};`;
      case "struct":
        return nulled + this.emptyFields(place);
      default:
        return layout satisfies never;
    }
  }

  /** Columns below a null struct have a value too: null where they can, else an empty one. */
  private emptyFields(place: Place): string {
    if (place.field.kind !== "object") return "";
    let id = place.id + 1;
    let code = "";
    for (const field of place.field.fields) {
      code += this.nothing(this.places[id]!);
      id += 1 + descendants(field);
    }
    return code;
  }

  scalar(place: Place, type: ScalarType): string {
    const { id, index } = place;
    const f = (bits: number, k: number) => `f${id}[${at(index, bits, k)}]`;
    switch (type.kind) {
      case "bool":
        return `if(b[q]!==0)w${id}[${index}>>3]|=1<<(${index}&7);`;
      case "int2":
        return `${f(16, 0)}=b[q]<<8|b[q+1];`;
      case "int4":
      case "float4":
        return `${f(32, 0)}=${int32("q")};`;
      case "int8":
      case "float8":
      case "time":
        return `${f(64, 0)}=${int32("q+4")};${f(64, 1)}=${int32("q")};`;
      case "date":
        // x is the value, read where it was checked; from 2000 to 1970.
        return `${f(32, 0)}=x+10957;`;
      case "timestamp":
      case "timestamptz":
        return `y=(${int32("q+4")}>>>0)+${epochLow};${f(64, 0)}=y|0;` +
          `${f(64, 1)}=x+${epochHigh}+(y>4294967295?1:0);`;
      case "decimal":
        return `writeDecimal(f${id},${index},b,q,${type.scale});`;
      case "text":
      case "json":
      case "bytea":
        return copy(place, "q", "l");
      case "jsonb":
        return copy(place, "q+1", "(l-1)");
      case "uuid":
        return write(place, `${textBytesMax.uuid}`, "writeUuid", "s");
      case "interval":
        return write(place, `${textBytesMax.interval}`, "writeInterval", "d");
      case "numeric":
        return write(place, "numericTextBytes(b,q)", "writeNumeric", "d");
      case "enum": {
        const table = this.labels.push(labelTable(type.labels)) - 1;
        return `x=labelIndex(labels[${table}],b,q,l);` +
          `if(x<0)throw faults.unknownLabel(${id},row,${indexes(place)},b,q,l);${f(16, 0)}=x;`;
      }
      default:
        return type satisfies never;
    }
  }
}

const epochLow = Number(epochMicroseconds & 0xffffffffn);
const epochHigh = Number(epochMicroseconds >> 32n);

function copy({ id, index }: Place, from: string, length: string): string {
  return room(id, length) +
    `if(n<=${shortBytesMax})copyShort(s${id},p${id},s,${from},n);` +
    `else d${id}.set(b.subarray(${from},${from}+n),p${id});` +
    `p${id}+=n;o${id}[${index}+1]=p${id};`;
}

function write({ id, index }: Place, bytes: string, writer: string, into: "d" | "s"): string {
  return room(id, bytes) +
    `p${id}=${writer}(${into}${id},p${id},b,q);o${id}[${index}+1]=p${id};`;
}

/** Sets `n`, and makes room for so many bytes. */
function room(id: number, bytes: string): string {
  return `n=${bytes};if(p${id}+n>d${id}.length){d${id}=t${id}.grow(p${id}+n,row);s${id}=t${id}.view;}`;
}

function words(bits: number, code: (k: number) => string): string {
  return Array.from({ length: Math.max(1, bits / 32) }, (_, k) => code(k)).join("");
}

/** Index of the k-th word of a value. */
function at(index: string, bits: number, k: number): string {
  if (bits <= 32) return index;
  return k === 0 ? `${bits / 32}*${index}` : `${bits / 32}*${index}+${k}`;
}

/** Places below a field. */
function descendants(field: ResultField): number {
  if (field.kind === "object") {
    return field.fields.reduce((sum, inner) => sum + 1 + descendants(inner), 0);
  }
  return field.kind === "list" ? 1 + descendants(field.item) : 0;
}

type Variable = readonly [letter: string, property: string];

function buffers(place: Place): Variable[] {
  const found: Variable[] = isNullable(place.field) ? [["v", "valid"]] : [];
  switch (layoutOf(place.field).kind) {
    case "bits":
      return [...found, ["w", "bits"]];
    case "fixed":
      return [...found, ["f", "fixed"]];
    case "bytes":
      return [...found, ["o", "offsets"], ["d", "data"], ["s", "view"]];
    case "list":
      return [...found, ["o", "offsets"]];
    default:
      return found;
  }
}

function counters(place: Place): Variable[] {
  const kind = layoutOf(place.field).kind;
  if (kind === "bytes") return [["p", "bytes"]];
  return kind === "list" ? [["m", "count"], ["h", "capacity"]] : [];
}
