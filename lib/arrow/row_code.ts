/**
 * Writes the code that walks PostgreSQL's binary rows; the encoders fill in what is done with each
 * value (`RowTarget`). One walk for both, so that Arrow and JSON read, refuse and check alike.
 *
 * A decoder made for one shape of result costs about 25 ns a value, where a loop that asks each
 * field for its type costs several times that: see `bench/encoders_bench.ts`.
 *
 * Names of columns never enter the code, only numbers and variables made here do.
 *
 * Variables of the code: `b` the bytes, `q` where we are in them, `e` the end of the row, `l` the
 * length of the value at `q`, `x y n` for passing use, `row` the row's number for errors; for the
 * list or object with id 7 `z7` is its end in `b`, `k7` the index of a list's element and `c7` their
 * number.
 */

import { type ColumnKind, KIND_BYTES, type ScalarType } from "./column_types.ts";
import {
  type ConstantField,
  isInline,
  type ListField,
  type ObjectField,
  type ResultField,
} from "./result_field.ts";
import { type Place, type RowFaults, rowFaults } from "./row_faults.ts";
import { decimalFits } from "./decimal.ts";

/** What is done with values: every method gives code. */
export interface RowTarget {
  /** Before a field's value or null; `first` is true for an object's first field. */
  beforeField(place: Place, first: boolean): string;
  /** A value that is whole, representable and not null, at `b[q]`, `l` bytes long. */
  scalar(place: Place, type: ScalarType): string;
  /** A null, or a value that is not representable, of any kind of field. */
  nothing(place: Place): string;
  constant(place: Place, field: ConstantField): string;
  beginObject(place: Place): string;
  endObject(place: Place): string;
  /** `c<id>` elements follow. */
  beginList(place: Place): string;
  beginItem(list: Place): string;
  endItem(list: Place): string;
  endList(list: Place): string;
  /** After a list's value or null. */
  afterList(list: Place): string;
}

/** The walk over one root field, or several. */
export interface FieldCode {
  readonly code: string;
  /** Ids from `first` to before `end` belong to it. */
  readonly first: number;
  readonly end: number;
}

export interface RowCode {
  readonly places: readonly Place[];
  readonly faults: RowFaults;
  /** Code of every root field, in order. */
  readonly fields: readonly FieldCode[];
  /** Columns that each row must have. */
  readonly columns: number;
}

/** A big-endian int32 at an offset. */
export function int32(at: string): string {
  return `(b[${at}]<<24|b[${at}+1]<<16|b[${at}+2]<<8|b[${at}+3])`;
}

/** Columns, attributes or elements that fields take: all but constants. */
export function columnCount(fields: readonly ResultField[]): number {
  return fields.reduce((count, field) => count + columnsOf(field), 0);
}

function columnsOf(field: ResultField): number {
  if (field.kind === "object" && isInline(field)) return columnCount(field.fields);
  return field.kind === "constant" ? 0 : 1;
}

/** Microseconds from 1970 to 2000, where PostgreSQL's timestamps begin. */
export const epochMicroseconds = 946684800000000n;

/** The last timestamp of PostgreSQL's that Arrow's int64 holds. */
const lastTimestamp = 2n ** 63n - 1n - epochMicroseconds;
const lastHigh = Number(lastTimestamp >> 32n);
const lastLow = Number(lastTimestamp & 0xffffffffn);

/** Code that is true for a value that is not representable; kinds that always are have none. */
const REFUSED: Partial<Record<ColumnKind, string>> = {
  date: `(x=${int32("q")})===2147483647||x===-2147483648`,
  time: `${int32("q")}===20&&${int32("q+4")}===500654080`,
  timestamp: timestampRefused(),
  timestamptz: timestampRefused(),
};

function timestampRefused(): string {
  return `(x=${int32("q")})>=${lastHigh}&&(x>${lastHigh}||(${
    int32("q+4")
  }>>>0)>${lastLow})||x===-2147483648`;
}

/** Writes the walk over a row of the fields. */
export function rowCode(
  fields: readonly ResultField[],
  unrepresentable: "error" | "null",
  targetOf: (places: readonly Place[]) => RowTarget,
): RowCode {
  const places: Place[] = [];
  const walk = new Walk(places, targetOf(places), unrepresentable);
  const codes = fields.map((field, i) => {
    const first = places.length;
    const code = walk.field(field, { path: [], lists: [], index: "r" }, i === 0, false);
    return { code, first, end: places.length };
  });
  return { places, faults: rowFaults(places), fields: codes, columns: columnCount(fields) };
}

/** What the generated code calls, beside what its target gives. */
export const WALK_FUNCTIONS = { decimalFits } as const;

/**
 * V8 gives up optimizing functions above 60 KB of bytecode; wide results are cut into functions of
 * about this many characters, which is about as many bytes.
 */
const functionCharsMax = 30_000;

/** Root fields that share a function. */
export interface FieldGroup {
  readonly first: number;
  readonly end: number;
  readonly body: string;
}

/** Root fields in groups that make functions of a bearable length. */
export function grouped(code: RowCode): FieldGroup[] {
  const groups: FieldGroup[] = [];
  for (const { first, end, code: body } of code.fields) {
    const last = groups.at(-1);
    if (last && last.body.length + body.length <= functionCharsMax) {
      groups[groups.length - 1] = { first: last.first, end, body: last.body + body };
    } else groups.push({ first, end, body });
  }
  return groups;
}

/** Variables of every generated function. */
export function walkVariables(code: RowCode, first: number, end: number): string {
  const own = code.places.slice(first, end).flatMap(({ id, field }) =>
    field.kind === "list"
      ? [`z${id}=0,k${id}=0,c${id}=0`]
      : field.kind === "object"
      ? [`z${id}=0`]
      : []
  );
  return `let ${["l=0,x=0,y=0,n=0", ...own].join(",")};`;
}

/**
 * Code from a message's start at `p` to its first column: sets `e` and `q`. The message's own length
 * bounds everything that follows.
 */
export function rowHead(columns: number): string {
  return `if(end-p<7||b[p]!==68||(b[p+5]<<8|b[p+6])!==${columns})throw faults.malformedRow(row);` +
    `e=p+1+${int32("p+1")};q=p+7;if(e<q||e>end)throw faults.malformedRow(row);`;
}

/** Code behind a row's last column. */
export const rowTail = `if(q!==e)throw faults.malformedRow(row);`;

interface Around {
  readonly path: readonly (string | null)[];
  readonly lists: readonly number[];
  readonly index: string;
}

class Walk {
  constructor(
    private readonly places: Place[],
    private readonly target: RowTarget,
    private readonly unrepresentable: "error" | "null",
  ) {}

  field(field: ResultField, around: Around, first: boolean, inRecord: boolean): string {
    const place = this.place(field, { ...around, path: [...around.path, field.name] });
    const before = this.target.beforeField(place, first);
    if (field.kind === "constant") return before + this.target.constant(place, field);
    if (field.kind === "object" && isInline(field)) {
      return before + this.target.beginObject(place) + this.inner(place, field, false) +
        this.target.endObject(place);
    }
    // A record names each attribute's type before its length.
    const type = inRecord ? `${otherType(place, "q")}q+=4;` : "";
    return `${type}l=${int32("q")};q+=4;` + before + this.value(place);
  }

  private place(field: ResultField, around: Around): Place {
    const place = { id: this.places.length, field, ...around };
    this.places.push(place);
    return place;
  }

  private value(place: Place): string {
    const field = place.field;
    switch (field.kind) {
      case "scalar":
        return this.scalar(place, field.type);
      case "object":
        return this.object(place, field);
      case "list":
        return this.list(place, field);
      case "constant":
        throw new Error("a constant has no value in a row");
      default:
        return field satisfies never;
    }
  }

  private scalar(place: Place, type: ScalarType): string {
    const value = this.target.scalar(place, type) + "q+=l;";
    const refused = type.kind === "decimal"
      ? `!decimalFits(b,q,${type.precision},${type.scale})`
      : REFUSED[type.kind];
    const checked = refused ? `if(${refused}){${this.refused(place)}q+=l;}else{${value}}` : value;
    const nothing = this.nothing(place);
    const bytes = KIND_BYTES[type.kind];
    if (bytes > 0) {
      return `if(l===${bytes}){${checked}}else if(l===-1){${nothing}}else{${malformed(place)}}`;
    }
    const whole = LENGTH[type.kind];
    const more = whole ? `||${whole}` : "";
    return `if(l>=0){if(l>e-q${more}){${malformed(place)}}${checked}}` +
      `else if(l===-1){${nothing}}else{${malformed(place)}}`;
  }

  private object(place: Place, field: ObjectField): string {
    const bad = malformed(place);
    const end = `z${place.id}`;
    const fields = this.inner(place, field, true);
    return `if(l>=0){if(l<4||l>e-q||${int32("q")}!==${columnCount(field.fields)}){${bad}}` +
      `${end}=q+l;q+=4;${this.target.beginObject(place)}${fields}if(q!==${end}){${bad}}` +
      `${this.target.endObject(place)}}else if(l===-1){${this.nothing(place)}}else{${bad}}`;
  }

  private inner(place: Place, { fields }: ObjectField, inRecord: boolean): string {
    const around = { path: place.path, lists: place.lists, index: place.index };
    return fields.map((field, i) => this.field(field, around, i === 0, inRecord)).join("");
  }

  private list(place: Place, field: ListField): string {
    const id = place.id;
    const bad = malformed(place);
    const item = this.place(field.item, {
      path: [...place.path, null],
      lists: [...place.lists, id],
      index: `m${id}`,
    });
    const each = `l=${int32("q")};q+=4;${this.target.beginItem(place)}${this.value(item)}${
      this.target.endItem(place)
    }`;
    const begin = this.target.beginList(place);
    const end = this.target.endList(place);
    // Each element takes 4 bytes at least, so that a false count cannot make the loop long.
    return `if(l>=0){if(l<12||l>e-q){${bad}}z${id}=q+l;n=${int32("q")};${otherType(item, "q+8")}` +
      `if(n===0||n===1){if(n===0){c${id}=0;q+=12;}else{if(l<20){${bad}}c${id}=${int32("q+12")};` +
      `q+=20;if(c${id}<0||c${id}>z${id}-q>>2){${bad}}}` +
      `${begin}for(k${id}=0;k${id}<c${id};k${id}++){${each}}${end}` +
      `if(q!==z${id}){${bad}}}else{if(n<0||n>6){${bad}}${this.refused(place)}q=z${id};}}` +
      `else if(l===-1){${
        field.nullable ? this.target.nothing(place) : `c${id}=0;${begin}${end}`
      }}else{${bad}}${this.target.afterList(place)}`;
  }

  /** SQL's NULL. */
  private nothing(place: Place): string {
    const { id, field } = place;
    if (field.kind === "constant" || field.nullable) return this.target.nothing(place);
    return `throw faults.absent(${id},row,${indexes(place)});`;
  }

  /** A value that is not representable. */
  private refused(place: Place): string {
    const { id, field } = place;
    if (this.unrepresentable === "null" && field.kind !== "constant" && field.nullable) {
      const isNumber = field.kind === "scalar" && field.type.kind === "decimal";
      return (isNumber ? `faults.nulled(${id},b,q);` : "") + this.target.nothing(place);
    }
    return `throw faults.refused(${id},row,${indexes(place)},b,q);`;
  }
}

/** The indexes of the lists around a place, as an array in the code. */
export function indexes(place: Place): string {
  return `[${place.lists.map((id) => `k${id}`).join(",")}]`;
}

function malformed(place: Place): string {
  return `throw faults.malformed(${place.id},row);`;
}

/** Code that refuses a value whose type at `b[at]` is not the planned one: its bytes mean another. */
function otherType(place: Place, at: string): string {
  const { field } = place;
  if (field.kind === "constant" || !field.oid) return "";
  return `if(${int32(at)}!==${field.oid | 0}){${malformed(place)}}`;
}

/** Code that is true where a value of varying length contradicts itself. */
const numericLength = "l<8||8+2*(b[q]<<8|b[q+1])!==l";
const LENGTH: Partial<Record<ColumnKind, string>> = {
  decimal: numericLength,
  numeric: numericLength,
  jsonb: "l<1||b[q]!==1",
};
