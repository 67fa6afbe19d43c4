// What can be told of a packet without decoding it: by the first bytes of its
// picture's data, as far as that is known for its codec, and otherwise by what
// the container says.

#include "frames.h"

#include <libavcodec/codec_desc.h>

// NAL unit types (ITU-T H.264, table 7-1; H.265, table 7-1).
enum {
    H264_SLICE = 1,
    H264_PARTITION_A = 2,
    H264_IDR = 5,
    HEVC_LAST_SUBLAYER_PAIR = 14, // even types up to here are sub-layer non-reference pictures
    HEVC_BLA_FIRST = 16,
    HEVC_IDR_LAST = 20,
    HEVC_LAST_PICTURE = 31,
};

void init_packet_reader(struct packet_reader *r, const AVCodecParameters *codec) {
    const AVCodecDescriptor *d = avcodec_descriptor_get(codec->codec_id);
    *r = (struct packet_reader){.codec = codec, .intra_only = d != NULL && (d->props & AV_CODEC_PROP_INTRA_ONLY)};
    // avcC and hvcC begin with their version, 1 (ISO/IEC 14496-15).
    if (codec->codec_id == AV_CODEC_ID_H264 && codec->extradata_size >= 7 && codec->extradata[0] == 1)
        r->length_size = (codec->extradata[4] & 3) + 1;
    if (codec->codec_id == AV_CODEC_ID_HEVC && codec->extradata_size >= 23 && codec->extradata[0] == 1)
        r->length_size = (codec->extradata[21] & 3) + 1;
}

// next_unit gives the next NAL unit of a packet; NULL after the last.
static const uint8_t *next_unit(const struct packet_reader *r, const uint8_t **position, const uint8_t *end, ptrdiff_t *size) {
    const uint8_t *p = *position;
    if (r->length_size > 0) {
        if (end - p < r->length_size)
            return NULL;
        size_t length = 0;
        for (int i = 0; i < r->length_size; i++)
            length = length << 8 | *p++;
        if (length > (size_t)(end - p))
            return NULL;
        *position = p + length;
        *size = (ptrdiff_t)length;
        return p;
    }
    for (; end - p > 3; p++) {
        if (p[0] == 0 && p[1] == 0 && p[2] == 1) {
            // Its end is not looked for: only its first bytes count.
            *position = p + 3;
            *size = end - p - 3;
            return p + 3;
        }
    }
    return NULL;
}

// read_ue reads an Exp-Golomb number (H.264, 9.1) at a bit; -1 past the end.
static int read_ue(const uint8_t *data, ptrdiff_t size, int *bit) {
    int zeros = 0, value = 0;
    for (;; (*bit)++) {
        if (*bit >= size * 8 || zeros > 15)
            return -1;
        if (data[*bit / 8] >> (7 - *bit % 8) & 1)
            break;
        zeros++;
    }
    for (int i = 0; i <= zeros; i++, (*bit)++) {
        if (*bit >= size * 8)
            return -1;
        value = value << 1 | (data[*bit / 8] >> (7 - *bit % 8) & 1);
    }
    return value - 1;
}

// A picture other than an IDR at which a container lets decoding start may be
// one of a periodic refresh, after which it takes several to a whole picture.
// One that begins with an I slice is not.
static bool is_i_slice(const uint8_t *unit, ptrdiff_t size) {
    int bit = 8;
    if (read_ue(unit, size, &bit) < 0)
        return false;
    int type = read_ue(unit, size, &bit);
    return type == 2 || type == 7 || type == 4 || type == 9;
}

static struct packet_kind h264(const struct packet_reader *r, const AVPacket *packet, struct packet_kind kind) {
    const uint8_t *p = packet->data, *end = p + packet->size, *unit;
    ptrdiff_t size;
    bool first = true;
    while ((unit = next_unit(r, &p, end, &size)) != NULL) {
        int type = size > 0 ? unit[0] & 31 : 0;
        if (type != H264_SLICE && type != H264_PARTITION_A && type != H264_IDR)
            continue;
        bool referenced = unit[0] & 0x60; // nal_ref_idc
        kind.disposable = (first || kind.disposable) && !referenced;
        if (first) {
            kind.clean = type == H264_IDR;
            kind.start = kind.start && (kind.clean || is_i_slice(unit, size));
        }
        first = false;
        if (referenced)
            break;
    }
    kind.start = kind.start && !first;
    return kind;
}

static struct packet_kind hevc(struct packet_reader *r, const AVPacket *packet, struct packet_kind kind) {
    const uint8_t *p = packet->data, *end = p + packet->size, *unit;
    ptrdiff_t size;
    while ((unit = next_unit(r, &p, end, &size)) != NULL) {
        if (size < 2)
            continue;
        int type = unit[0] >> 1 & 63, layer = (unit[1] & 7) - 1;
        if (type > HEVC_LAST_PICTURE)
            continue;
        if (layer > r->top_layer)
            r->top_layer = layer;
        kind.clean = kind.start && type >= HEVC_BLA_FIRST && type <= HEVC_IDR_LAST;
        // Others of its own layer never need such a picture; higher layers may.
        kind.disposable = type <= HEVC_LAST_SUBLAYER_PAIR && type % 2 == 0 && layer == r->top_layer;
        return kind;
    }
    kind.start = false;
    return kind;
}

struct packet_kind read_packet_kind(struct packet_reader *r, const AVPacket *packet) {
    struct packet_kind kind = {.start = packet->flags & AV_PKT_FLAG_KEY, .hidden = packet->flags & AV_PKT_FLAG_DISCARD};
    if (packet->size <= 0 || packet->flags & AV_PKT_FLAG_CORRUPT) {
        kind.start = false;
        return kind;
    }
    switch (r->codec->codec_id) {
    case AV_CODEC_ID_H264:
        return h264(r, packet, kind);
    case AV_CODEC_ID_HEVC:
        return hevc(r, packet, kind);
    case AV_CODEC_ID_VP8:
        // RFC 6386, 9.1: show_frame.
        kind.hidden = kind.hidden || !(packet->data[0] & 0x10);
        kind.clean = kind.start;
        kind.may_skip = true; // the decoder reads which references it updates
        return kind;
    case AV_CODEC_ID_VP9:
    case AV_CODEC_ID_AV1:
        kind.clean = kind.start;
        return kind;
    case AV_CODEC_ID_MPEG1VIDEO:
    case AV_CODEC_ID_MPEG2VIDEO:
    case AV_CODEC_ID_MPEG4:
        kind.may_skip = true; // B pictures are no references
        return kind;
    default:
        kind.clean = kind.start && r->intra_only;
        return kind;
    }
}
