"""Arrow's C data interface, both ways, over ctypes: columns from any stream or array, and tables as a stream.

https://arrow.apache.org/docs/format/CDataInterface.html, CStreamInterface.html and CDataInterface/PyCapsuleInterface.html
"""
import ctypes
import itertools
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_int, c_int64, c_void_p, py_object

import numpy as np

from ._data import Column, category_column, number_column, object_column
from ._library import DataError


class Schema(ctypes.Structure):
    pass


class Array(ctypes.Structure):
    pass


class Stream(ctypes.Structure):
    pass


RELEASE_SCHEMA, RELEASE_ARRAY, RELEASE_STREAM = (CFUNCTYPE(None, POINTER(t)) for t in (Schema, Array, Stream))
Schema._fields_ = [("format", c_char_p), ("name", c_char_p), ("metadata", c_void_p), ("flags", c_int64), ("n_children", c_int64),
                   ("children", POINTER(POINTER(Schema))), ("dictionary", POINTER(Schema)), ("release", RELEASE_SCHEMA),
                   ("private_data", c_void_p)]
Array._fields_ = [("length", c_int64), ("null_count", c_int64), ("offset", c_int64), ("n_buffers", c_int64), ("n_children", c_int64),
                  ("buffers", POINTER(c_void_p)), ("children", POINTER(POINTER(Array))), ("dictionary", POINTER(Array)),
                  ("release", RELEASE_ARRAY), ("private_data", c_void_p)]
GET_SCHEMA, GET_NEXT = CFUNCTYPE(c_int, POINTER(Stream), POINTER(Schema)), CFUNCTYPE(c_int, POINTER(Stream), POINTER(Array))
GET_ERROR = CFUNCTYPE(c_void_p, POINTER(Stream))
Stream._fields_ = [("get_schema", GET_SCHEMA), ("get_next", GET_NEXT), ("get_last_error", GET_ERROR), ("release", RELEASE_STREAM),
                   ("private_data", c_void_p)]
NULLABLE = 2

DESTRUCTOR = CFUNCTYPE(None, c_void_p)
# By [ ], functions of our own: ctypes.pythonapi.NAME is one object for the whole process, and others declare it in their way.
capsule_pointer = ctypes.pythonapi["PyCapsule_GetPointer"]
capsule_pointer.restype, capsule_pointer.argtypes = c_void_p, [py_object, c_char_p]
capsule_new = ctypes.pythonapi["PyCapsule_New"]
capsule_new.restype, capsule_new.argtypes = py_object, [c_void_p, c_char_p, DESTRUCTOR]
raw_capsule_pointer = ctypes.PyDLL(None).PyCapsule_GetPointer
raw_capsule_pointer.restype, raw_capsule_pointer.argtypes = c_void_p, [c_void_p, c_char_p]

NUMBERS = {b"c": "i1", b"C": "u1", b"s": "i2", b"S": "u2", b"i": "i4", b"I": "u4", b"l": "i8", b"L": "u8", b"e": "f2", b"f": "f4",
           b"g": "f8"}


# ---- what others hand to us ----

class Held:
    """An array of someone else's, which is released when nobody looks at its buffers any more."""

    def __init__(self, array):
        self.array = array

    def __del__(self):
        if self.array.release:
            self.array.release(byref(self.array))


def view(held, address, count, dtype):
    """`count` values at an address, which keep their owner alive."""
    dtype = np.dtype(dtype)
    if count == 0 or not address:
        return np.empty(0, dtype)
    memory = (ctypes.c_char * (count * dtype.itemsize)).from_address(address)
    memory.held = held
    return np.frombuffer(memory, dtype)


def buffer(array, i):
    return array.buffers[i] if array.n_buffers > i else None


def validity(held, array):
    """Which values are there; None = all."""
    bits = buffer(array, 0)
    if array.null_count == 0 or not bits:
        return None
    whole = view(held, bits, (array.offset + array.length + 7) // 8, "u1")
    return np.unpackbits(whole, bitorder="little")[array.offset:array.offset + array.length].astype(bool)


def strings(held, array, kind):
    """The texts of a utf8 (u), large utf8 (U) or utf8 view (vu) array."""
    n, texts = array.length, []
    if kind == b"vu":
        views = view(held, buffer(array, 1), 16 * (array.offset + n), "u1").reshape(-1, 16)[array.offset:]
        for v in views:
            length = int(v[:4].view("<i4")[0])
            if length <= 12:
                texts.append(v[4:4 + length].tobytes().decode())
            else:
                which, offset = (int(i) for i in v[8:].view("<i4"))
                texts.append(ctypes.string_at(array.buffers[2 + which] + offset, length).decode())
        return texts
    ends = view(held, buffer(array, 1), array.offset + n + 1, "i8" if kind == b"U" else "i4")[array.offset:]
    data = buffer(array, 2)
    for a, b in zip(ends[:-1].tolist(), ends[1:].tolist()):
        texts.append(ctypes.string_at(data + a, b - a).decode() if b > a else "")
    return texts


def numbers(held, array, kind, name):
    """Numbers as float64 with NaN for nulls: in place where they are that already."""
    if kind == b"b":
        bits = view(held, buffer(array, 1), (array.offset + array.length + 7) // 8, "u1")
        values = np.unpackbits(bits, bitorder="little")[array.offset:array.offset + array.length].astype(np.float64)
    elif kind in NUMBERS:
        values = view(held, buffer(array, 1), array.offset + array.length, NUMBERS[kind])[array.offset:]
    else:
        raise DataError("column %s has Arrow's type '%s'; likely takes numbers, truth values, texts and dictionaries of texts"
                        % (name, kind.decode()))
    there = validity(held, array)
    return values.astype(np.float64, copy=False) if there is None else np.where(there, values, np.nan).astype(np.float64, copy=False)


def piece(held, schema, array, name):
    """One array of a column: ("number", values) or ("text", values)."""
    kind = schema.format
    if schema.dictionary:
        levels = piece(held, schema.dictionary.contents, array.dictionary.contents, name)[1]
        codes = view(held, buffer(array, 1), array.offset + array.length, NUMBERS[kind])[array.offset:].astype(np.int64)
        there = validity(held, array)
        codes = codes if there is None else np.where(there, codes, -1)
        return "level", (codes, [str(level) for level in levels])
    if kind in (b"u", b"U", b"vu"):
        texts = np.array(strings(held, array, kind) + [None], dtype=object)[:-1]
        there = validity(held, array)
        if there is not None:
            texts[~there] = None
        return "text", texts
    if kind == b"n":
        return "number", np.full(array.length, np.nan)
    return "number", numbers(held, array, kind, name)


def column(name, pieces):
    """The pieces of all batches as one column; one piece of float64 stays where it is."""
    kind = pieces[0][0]
    if kind == "number":
        return number_column(name, pieces[0][1] if len(pieces) == 1 else np.concatenate([p[1] for p in pieces]))
    if kind == "text":
        return object_column(name, np.concatenate([p[1] for p in pieces]))
    codes, levels = [], {}
    for _, (some, texts) in pieces:  # dictionaries may differ from batch to batch
        number = np.array([levels.setdefault(t, len(levels)) for t in texts] + [-1])
        codes.append(number[some])
    return category_column(name, np.concatenate(codes), list(levels))


def batches(data):
    """The schema of data, and their batches as structures that we own."""
    if hasattr(data, "__arrow_c_stream__"):
        capsule = data.__arrow_c_stream__()
        stream = Stream.from_address(capsule_pointer(capsule, b"arrow_array_stream"))
        schema, found = Schema(), []
        check(stream, stream.get_schema(byref(stream), byref(schema)))
        while True:
            array = Array()
            check(stream, stream.get_next(byref(stream), byref(array)))
            if not array.release:
                break
            found.append(Held(array))
        return capsule, schema, True, found
    capsules = data.__arrow_c_array__()
    schema = Schema.from_address(capsule_pointer(capsules[0], b"arrow_schema"))
    array = Array()
    theirs = Array.from_address(capsule_pointer(capsules[1], b"arrow_array"))
    ctypes.memmove(byref(array), byref(theirs), ctypes.sizeof(Array))
    theirs.release = RELEASE_ARRAY()  # moved: it is ours to release
    return capsules, schema, False, [Held(array)]


def check(stream, code):
    if code != 0:
        text = stream.get_last_error(byref(stream))
        raise DataError("the Arrow stream failed: %s" % (ctypes.string_at(text).decode("utf-8", "replace") if text else "error %d" % code))


def read_columns(data):
    """The columns of anything with __arrow_c_stream__ or __arrow_c_array__."""
    owner, schema, ours, found = batches(data)
    try:
        if schema.format != b"+s":
            raise DataError("the Arrow data are one array of type '%s'; a table of columns is a struct" % schema.format.decode())
        names = [schema.children[j].contents.name for j in range(schema.n_children)]
        names = [name.decode() if name else "x%d" % (j + 1) for j, name in enumerate(names)]
        columns = []
        for j, name in enumerate(names):
            kind = schema.children[j].contents
            pieces = []
            for held in found:
                child = held.array.children[j].contents
                part = piece(held, kind, child, name)
                first = held.array.offset
                if first or child.length != held.array.length:  # a slice of the struct is one of its children
                    cut = slice(first, first + held.array.length)
                    part = (part[0], (part[1][0][cut], part[1][1]) if part[0] == "level" else part[1][cut])
                pieces.append(part)
            if not pieces:
                pieces = [("number", np.empty(0))]
            columns.append(column(name, pieces))
        return columns
    finally:
        if ours and schema.release:
            schema.release(byref(schema))
        del owner


# ---- what we hand to others ----

alive = {}  # what a released structure lets go, by its private_data
keys = itertools.count(1)


def release_parts(structure):
    """Lets a structure go, and those of its children that nobody has taken over."""
    *_, children, _, dictionary = alive.pop(structure.private_data, ((), None, None))
    for part in list(children) + [dictionary] * (dictionary is not None):
        if part.release:
            part.release(byref(part))


@RELEASE_SCHEMA
def release_schema(schema):
    release_parts(schema.contents)
    schema.contents.release = RELEASE_SCHEMA()


@RELEASE_ARRAY
def release_array(array):
    release_parts(array.contents)
    array.contents.release = RELEASE_ARRAY()


@RELEASE_STREAM
def release_stream(stream):
    alive.pop(stream.contents.private_data, None)
    stream.contents.release = RELEASE_STREAM()


def pointers(structures, kind):
    return (POINTER(kind) * max(len(structures), 1))(*[ctypes.pointer(s) for s in structures])


def fill_schema(schema, format_, name=b"", children=(), dictionary=None, flags=NULLABLE):
    schema.format, schema.name, schema.flags, schema.n_children = format_, name, flags, len(children)
    kept = pointers(children, Schema)
    schema.children = ctypes.cast(kept, POINTER(POINTER(Schema)))
    if dictionary is not None:
        schema.dictionary = ctypes.pointer(dictionary)
    schema.release = release_schema
    schema.private_data = next(keys)
    alive[schema.private_data] = (format_, name, children, kept, dictionary)
    return schema


def fill_array(array, length, nulls, buffers, children=(), dictionary=None):
    """buffers: NumPy arrays, None for none."""
    array.length, array.null_count, array.n_buffers, array.n_children = length, nulls, len(buffers), len(children)
    addresses = (c_void_p * len(buffers))(*[None if b is None else b.ctypes.data for b in buffers])
    kept = pointers(children, Array)
    array.buffers = ctypes.cast(addresses, POINTER(c_void_p))
    array.children = ctypes.cast(kept, POINTER(POINTER(Array)))
    if dictionary is not None:
        array.dictionary = ctypes.pointer(dictionary)
    array.release = release_array
    array.private_data = next(keys)
    alive[array.private_data] = (addresses, buffers, children, kept, dictionary)
    return array


def bitmap(there):
    return None if there.all() else np.packbits(there, bitorder="little")


def text_array(texts):
    data = [t.encode() if t is not None else b"" for t in texts]
    ends = np.zeros(len(data) + 1, dtype=np.int64)
    np.cumsum([len(d) for d in data], out=ends[1:])
    there = np.array([t is not None for t in texts], dtype=bool)
    joined = np.frombuffer(b"".join(data) or b"\0", dtype=np.uint8)
    return fill_array(Array(), len(data), int((~there).sum()), [bitmap(there), ends, joined])


def column_array(table, j, kind):
    if kind == "text":
        return text_array(list(table[j]))
    values = np.ascontiguousarray(table.numbers([j])[:, 0])
    there = ~np.isnan(values)
    missing = int((~there).sum())
    if kind == "category":
        codes = np.where(there, values, 0).astype(np.int32)
        return fill_array(Array(), len(values), missing, [bitmap(there), codes], dictionary=text_array(table.levels(j)))
    return fill_array(Array(), len(values), missing, [bitmap(there), values])


def column_schema(name, kind):
    format_ = {"category": b"i", "text": b"U"}.get(kind, b"g")
    dictionary = fill_schema(Schema(), b"U") if kind == "category" else None
    return fill_schema(Schema(), format_, name.encode(), dictionary=dictionary)


@DESTRUCTOR
def destroy(capsule):
    """A capsule that nobody asked releases its stream."""
    address = raw_capsule_pointer(capsule, b"arrow_array_stream")
    stream = Stream.from_address(address)
    if stream.release:
        stream.release(byref(stream))
    alive.pop(("stream", address), None)


def stream_of(table):
    """A capsule with a stream of one batch: all rows."""
    stream = Stream()
    todo = [True]

    def get_schema(_, out):
        fill_schema(out.contents, b"+s", children=[column_schema(n, t) for n, t in zip(table.names, table.types)], flags=0)
        return 0

    def get_next(_, out):
        if todo:
            todo.clear()
            columns = [column_array(table, j, kind) for j, kind in enumerate(table.types)]
            fill_array(out.contents, len(table), 0, [None], columns)
        else:
            ctypes.memset(out, 0, ctypes.sizeof(Array))
        return 0

    stream.get_schema, stream.get_next, stream.get_last_error = GET_SCHEMA(get_schema), GET_NEXT(get_next), GET_ERROR(lambda _: None)
    stream.release = release_stream
    stream.private_data = next(keys)
    alive[stream.private_data] = (table, stream.get_schema, stream.get_next)
    alive["stream", ctypes.addressof(stream)] = stream
    return capsule_new(ctypes.addressof(stream), b"arrow_array_stream", destroy)
