#!/usr/bin/env python3
"""Writes the seeds of fuzz/corpus/ that nobody can type: binary files, and long ones.

    fuzz/make_corpus.py            from anywhere; the same files every time

The others are texts written by hand. A finding's input is added as it is, under a name that says what it was.
"""
import gzip
import json
import pathlib
import struct

corpus = pathlib.Path(__file__).resolve().parent / "corpus"


def write(name, content):
    file = corpus / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


# --- NumPy and safetensors, whole files

def npy(version, descr, shape, data):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


write("npy/version_1.npy", npy(1, "<f4", "(2, 2)", struct.pack("<4f", 1, 2, 3, 4)))
write("npy/version_2.npy", npy(2, ">f8", "(1, 3)", struct.pack(">3d", 1, 2, 3)))

header = json.dumps({"__metadata__": {"a": "b"}, "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
write("safetensors/whole.safetensors", struct.pack("<Q", len(header)) + header + bytes(8))
write("safetensors/header_that_ends_in_zeros", struct.pack("<Q", len(header) + 4) + header + bytes(12))
write("safetensors/header_longer_than_the_file", struct.pack("<Q", 2**63) + b"{}")

# --- CLIP's merges, packed

write("clip_merges/packed.gz", gzip.compress(b'"bpe_simple_vocab_16e6.txt#version: 0.2\nl o\nlo w</w>\n', mtime=0))
write("clip_merges/regression_unpacks_to_nine_mebibytes.gz", gzip.compress(b"a b\n" * (9 << 18), mtime=0))

# --- configs

write("config/regression_bases_read_again_and_again",
      json.dumps({"extends": ["b.json"] * 200}) + "\n%%\n" + json.dumps({"extends": ["c.json"] * 200}) + "\n%%\n{}")
write("config/regression_a_list_below_a_long_key", json.dumps({"model": {"k" * 3000: [0] * 2000}}))
write("config/regression_a_name_longer_than_the_system_takes", json.dumps({"extends": "n" * 300}))

keys = {f"key{i}": {"a": 1} for i in range(2000)}
plugins = [f"plugin{i}" for i in range(1000)]
write("config/regression_many_keys_and_plugins_on_as_many",
      json.dumps({**keys, "extends": "b.json", "plugins": plugins}) + "\n%%\n" + json.dumps({**keys, "plugins": plugins}))
write("config/regression_extends_a_device", json.dumps({"extends": "/dev/zero"}))

# --- sweeps

axes = [{"path": f"train.a{i}", "values": list(range(10))} for i in range(12)]
write("sweep/regression_a_grid_beyond_any_memory", json.dumps({"name": "s", "base": "base.json", "grid": axes}))
write("sweep/regression_a_name_longer_than_the_system_takes", json.dumps({"name": "s", "base": "n" * 300}))

# --- JSON

write("json/zero_after_the_end", '{"a": 1}\0}')
write("json/nested", "[" * 100 + "]" * 100)
write("json/nested_too_deep", "[" * 250)
write("json/many_members", json.dumps({f"k{i}": i for i in range(100)}))

# --- plugins: ELF files of a few hundred bytes


def manifest(magic=b"ORBWEAVER-PLUGIN", size=None):
    fields = struct.pack("<20sIHH64s32sBBBBHH64s64s", magic, 0, 1, 0, b"plugin", b"1.0", 1, 0, 0, 0, 0, 0, b"gcc 12.2",
                         b"libstdc++ 12")
    return fields[:20] + struct.pack("<I", len(fields) if size is None else size) + fields[24:]


def elf(dynamic, strings, manifest_bytes, entry_size=64, count=None):
    """A shared library of x86-64 that is a header, one segment, and the sections that the gate reads."""
    names = b"\0.names\0.strings\0.dynamic\0.orbweaver.manifest\0"
    parts = [(names, 1, 3, 0), (strings, 8, 3, 0), (b"".join(struct.pack("<qQ", *d) for d in dynamic), 16, 6, 2),
             (manifest_bytes, 25, 1, 0)]
    body, sections = b"", [bytes(64)]
    for content, name, kind, link in parts:
        place = 64 + 56 + len(body)
        sections.append(struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, place, len(content), link, 0, 1, 0))
        body += content
    table = 64 + 56 + len(body)
    head = struct.pack("<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 3, 62, 1, 0, 64, table, 0, 64, 56, 1, entry_size,
                       len(sections) if count is None else count, 1)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, table, table, 4096)
    return head + load + body + b"".join(sections)


libraries = b"\0libc.so.6\0$ORIGIN/../lib:/opt/lib\0orbw_plugin.so\0"
entries = [(1, 1), (14, 36), (29, 11), (0, 0)]
write("manifest/good.so", elf(entries, libraries, manifest()))
write("manifest/torch.so", elf([(1, 1), (15, 14), (0, 0)], b"\0libtorch.so\0/opt/torch/lib\0", manifest()))
write("manifest/without_manifest.so", elf(entries, libraries, b""))
write("manifest/manifest_of_a_wrong_size.so", elf(entries, libraries, manifest(size=2**32 - 1)))
write("manifest/regression_sections_on_top_of_each_other.so", elf(entries, libraries, manifest(), entry_size=0, count=65535))
write("manifest/regression_a_long_name_needed_many_times.so",
      elf([(1, 1)] * 300, b"\0" + b"n" * 8000 + b"\0", manifest()))
