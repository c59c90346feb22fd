"""Codes of b bits in rows of 32-bit words, little endian, lowest bits first.

    dense    one stream: code k at bits b*k .. b*k+b-1, across words; the row ends with zero bits up to a whole word
    padded   32 // b codes in each word, the top bits zero (compressed-tensors up to 0.17, for 3, 5, 6 and 7 bits)
"""


def words(count, bits):
    return -(-count * bits // 32)


def padded_words(count, bits):
    return -(-count // (32 // bits))


def pack(codes, bits):
    stream = bytearray()
    for at in range(0, len(codes), 8):                   # 8 codes fill b bytes
        chunk = 0
        for n, code in enumerate(codes[at:at + 8]):
            chunk |= code << (bits * n)
        stream += chunk.to_bytes(bits, "little")
    size = 4 * words(len(codes), bits)
    return bytes(stream[:size]) + bytes(max(0, size - len(stream)))


def unpack(stream, bits, count):
    mask, codes = (1 << bits) - 1, bytearray()
    for at in range(0, len(stream), bits):
        chunk = int.from_bytes(stream[at:at + bits], "little")
        for n in range(8):
            codes.append(chunk >> (bits * n) & mask)
    return bytes(codes[:count])


def pack_padded(codes, bits):
    each, stream = 32 // bits, bytearray()
    for at in range(0, len(codes), each):
        word = 0
        for n, code in enumerate(codes[at:at + each]):
            word |= code << (bits * n)
        stream += word.to_bytes(4, "little")
    return bytes(stream)


def unpack_padded(stream, bits, count):
    each, mask, codes = 32 // bits, (1 << bits) - 1, bytearray()
    for at in range(0, len(stream), 4):
        word = int.from_bytes(stream[at:at + 4], "little")
        for n in range(each):
            codes.append(word >> (bits * n) & mask)
    return bytes(codes[:count])


def check():
    import gptq
    done = 0
    for bits in range(1, 9):
        for count in (1, 7, 8, 31, 32, 33, 100):
            codes = bytes((5 * k * k + 3 * k) & ((1 << bits) - 1) for k in range(count))
            assert len(pack(codes, bits)) == 4 * words(count, bits)
            assert unpack(pack(codes, bits), bits, count) == codes and unpack_padded(pack_padded(codes, bits), bits, count) == codes
            assert len(pack_padded(codes, bits)) == 4 * padded_words(count, bits)
            if 32 % bits == 0:
                assert pack(codes, bits) == pack_padded(codes, bits)
            if count % 32 == 0:
                assert pack(codes, bits) == gptq.stream_of(codes, bits)
            done += 4
    assert pack(bytes(range(8)), 4).hex() == "10325476"
    return done + 1
