"""The safetensors container: u64 header length | JSON header | tensors, tiling the rest of the file without a hole."""
import json
import os
import re
import struct

# The order of the reference writer, widest first; a writer sorts by this and then by name.
ORDER = ("U64 I64 F64 C64 F32 U32 I32 BF16 F16 U16 I16 F8_E5M2FNUZ F8_E4M3FNUZ F8_E8M0 F8_E4M3 F8_E5M2 I8 U8 "
         "F6_E3M2 F6_E2M3 F4 BOOL").split()
BITS = {"U64": 64, "I64": 64, "F64": 64, "C64": 64, "F32": 32, "U32": 32, "I32": 32, "BF16": 16, "F16": 16, "U16": 16, "I16": 16,
        "I8": 8, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E5M2": 8}
INTEGERS = {"U64", "I64", "U32", "I32", "U16", "I16", "I8", "U8", "BOOL"}


class Refusal(Exception):
    """What repaq must refuse, with the exit codes that the command line allows for it."""

    def __init__(self, code, why, *other_codes):
        super().__init__(why)
        self.codes = (code,) + other_codes


class Tensor:
    __slots__ = ("dtype", "shape", "data")

    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = dtype, list(shape), data

    def __eq__(self, other):
        return (self.dtype, self.shape, self.data) == (other.dtype, other.shape, other.data)


def product(shape):
    count = 1
    for length in shape:
        count *= length
    return count


def no_duplicates(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refusal(4, "a JSON object names a member twice")
    return members


def load_json(path):
    try:
        with open(path, "rb") as file:
            return json.loads(file.read().decode("utf-8"), object_pairs_hook=no_duplicates)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Refusal(4, "%s: %s" % (os.path.basename(path), error))


def read(path):
    """(metadata or None, {name: Tensor} in the order of the header)"""
    with open(path, "rb") as file:
        body = file.read()
    where = os.path.basename(path)
    if len(body) < 8:
        raise Refusal(4, where + ": too short for a header")
    (length,) = struct.unpack("<Q", body[:8])
    if length < 2 or length > 100000000 or 8 + length > len(body):
        raise Refusal(4, where + ": header length")
    try:
        header = json.loads(body[8:8 + length].decode("utf-8"), object_pairs_hook=no_duplicates)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Refusal(4, "%s: header: %s" % (where, error))
    metadata = header.pop("__metadata__", None)
    buffer = body[8 + length:]
    position = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        if begin != position or end < begin or end > len(buffer):
            raise Refusal(4, "%s: %s does not tile the file" % (where, name))
        if (end - begin) * 8 != product(entry["shape"]) * BITS[entry["dtype"]]:
            raise Refusal(4, "%s: %s: its bytes contradict its shape" % (where, name))
        position = end
    if position != len(buffer):
        raise Refusal(4, where + ": bytes after the last tensor")
    return metadata, {name: Tensor(entry["dtype"], entry["shape"], buffer[entry["data_offsets"][0]:entry["data_offsets"][1]])
                      for name, entry in header.items()}


def in_order(tensors):
    return sorted(tensors, key=lambda name: (ORDER.index(tensors[name].dtype), name.encode()))


def write(path, tensors, metadata=None):
    """Writes as the reference does: by dtype and name, header padded with blanks to a multiple of 8."""
    header, position = {}, 0
    if metadata is not None:
        header["__metadata__"] = metadata
    for name in in_order(tensors):
        tensor = tensors[name]
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [position, position + len(tensor.data)]}
        position += len(tensor.data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in in_order(tensors):
            file.write(tensors[name].data)


def read_directory(directory):
    """{name: Tensor}, {name: file}: all shards that the index names, or all files where there is no index."""
    files = sorted(name for name in os.listdir(directory) if name.endswith(".safetensors"))
    indexes = sorted(name for name in os.listdir(directory) if name.endswith(".safetensors.index.json"))
    weight_map = {}
    if indexes:
        weight_map = load_json(os.path.join(directory, indexes[0]))["weight_map"]
        files = sorted(set(weight_map.values()))
    tensors, file_of = {}, {}
    for name in files:
        if re.search(r"[/\\:]|^\.\.", name) or not os.path.exists(os.path.join(directory, name)):
            raise Refusal(4, "missing shard " + name)
        for tensor_name, tensor in read(os.path.join(directory, name))[1].items():
            if tensor_name in tensors:
                raise Refusal(4, tensor_name + " is in two shards")
            tensors[tensor_name], file_of[tensor_name] = tensor, name
    for name, file in weight_map.items():
        if file_of.get(name) != file:
            raise Refusal(4, "the index says that %s is in %s" % (name, file))
    return tensors, file_of
