package frames

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Containers that nobody but an attacker makes, made here byte by byte.

// box is a box of ISO base media (ISO/IEC 14496-12, 4.2).
func box(kind string, content ...[]byte) []byte {
	all := bytes.Join(content, nil)
	return append(append(u32(uint32(8+len(all))), kind...), all...)
}

func u16(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }
func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// movie is how a QuickTime file of JPEG pictures is made.
type movie struct {
	reference []byte // how the data reference says where the pictures are; in the file if nil
	edits     []byte // boxes in the track before its media
	scale     uint32 // ticks a second
	duration  uint32 // of a picture, ticks
	count     uint32 // of pictures, of which the file has one
	width     uint16
}

func (m movie) make(t testing.TB) []byte {
	picture := read(t, "cover.jpg")
	head := box("ftyp", []byte("qt  \x00\x00\x00\x00qt  "))
	index := m.index(uint32(len(picture)), uint32(len(head)+8))
	return bytes.Join([][]byte{head, box("mdat", picture), index}, nil)
}

func (m movie) index(size, offset uint32) []byte {
	zeros := func(n int) []byte { return make([]byte, n) }
	if m.reference == nil {
		m.reference = box("url ", u32(1))
	}
	width := u16(m.width)
	length := m.duration * m.count
	matrix := slices.Concat(u32(1<<16), zeros(12), u32(1<<16), zeros(12), u32(1<<30))
	entry := slices.Concat(zeros(6), u16(1), zeros(16), width, width, u32(72<<16), u32(72<<16), zeros(4), u16(1), zeros(32), u16(24), u16(0xFFFF))
	table := box("stbl",
		box("stsd", u32(0), u32(1), box("jpeg", entry)),
		box("stts", u32(0), u32(1), u32(m.count), u32(m.duration)),
		box("stsc", u32(0), u32(1), u32(1), u32(m.count), u32(1)),
		box("stsz", u32(0), u32(size), u32(m.count)),
		box("stco", u32(0), u32(1), u32(offset)))
	return box("moov",
		box("mvhd", zeros(12), u32(m.scale), u32(length), u32(1<<16), u16(256), zeros(10), matrix, zeros(24), u32(2)),
		box("trak",
			box("tkhd", u32(3), zeros(8), u32(1), zeros(4), u32(length), zeros(16), matrix, width, zeros(2), width, zeros(2)),
			m.edits,
			box("mdia",
				box("mdhd", zeros(12), u32(m.scale), u32(length), zeros(4)),
				box("hdlr", zeros(4), []byte("mhlrvide"), zeros(13)),
				box("minf",
					box("vmhd", u32(1), zeros(8)),
					box("dinf", box("dref", u32(0), u32(1), m.reference)),
					table))))
}

// still is a movie that is as it should be.
var still = movie{scale: 600, duration: 600, count: 1, width: 600}

// alias is a data reference to another file, as Mac OS wrote it.
func alias(path string) []byte {
	name := filepath.Base(path)
	text := func(s string, room int) []byte {
		return append([]byte{byte(len(s))}, append([]byte(s), make([]byte, room-len(s))...)...)
	}
	record := slices.Concat(make([]byte, 10), text("disk", 27), make([]byte, 12), text(name, 63), make([]byte, 16), u16(1), u16(1), make([]byte, 16))
	for kind, value := range []string{filepath.Dir(path), "", path} {
		if value != "" {
			record = slices.Concat(record, u16(uint16(kind)), u16(uint16(len(value))), []byte(value), make([]byte, len(value)%2))
		}
	}
	return box("alis", u32(0), record, u16(0xFFFF), u16(0))
}

// element is an element of EBML (RFC 8794), with its size in eight bytes.
func element(id uint32, content ...[]byte) []byte {
	all := bytes.Join(content, nil)
	return slices.Concat(bytes.TrimLeft(u32(id), "\x00"), u64(1<<56|uint64(len(all))), all)
}

// unsized is an element that does not say where it ends.
func unsized(id uint32, content ...[]byte) []byte {
	return slices.Concat(bytes.TrimLeft(u32(id), "\x00"), u64(1<<57-1), bytes.Join(content, nil))
}

// film is how a Matroska file of JPEG pictures is made (RFC 9559).
type film struct {
	info     []byte // elements
	track    []byte // elements of each track
	tracks   int
	scale    uint64   // nanoseconds of a tick
	clusters []uint64 // their times
	picture  []byte
}

func (m film) make() []byte {
	number := func(id uint32, n uint64) []byte { return element(id, u64(n)) }
	all := [][]byte{element(0x1A45DFA3, element(0x4282, []byte("matroska"))), nil}
	info := element(0x1549A966, number(0x2AD7B1, m.scale), m.info)
	var tracks [][]byte
	for i := range m.tracks {
		tracks = append(tracks, element(0xAE, number(0xD7, uint64(i+1)), number(0x73C5, uint64(i+1)), number(0x83, 1), element(0x86, []byte("V_MJPEG")),
			element(0xE0, number(0xB0, 600), number(0xBA, 600)), m.track))
	}
	content := [][]byte{info, element(0x1654AE6B, tracks...)}
	for _, at := range m.clusters {
		content = append(content, element(0x1F43B675, number(0xE7, at), element(0xA3, []byte{0x81, 0, 0, 0x80}, m.picture)))
	}
	all[1] = unsized(0x18538067, content...)
	return bytes.Join(all, nil)
}

// squeezed is so many zeros in zlib's format.
func squeezed(t testing.TB, zeros int64) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	if _, err := io.CopyN(w, zero{}, zeros); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// chunk is a chunk of RIFF.
func chunk(id string, content ...[]byte) []byte {
	all := bytes.Join(content, nil)
	return slices.Concat([]byte(id), binary.LittleEndian.AppendUint32(nil, uint32(len(all))), all, make([]byte, len(all)%2))
}

// indexOfItself is an AVI whose index of indexes names itself (OpenDML 1.02).
func indexOfItself(t testing.TB) []byte {
	t.Helper()
	le := func(numbers ...uint32) []byte {
		var b []byte
		for _, n := range numbers {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		return b
	}
	build := func(at uint32) []byte {
		index := chunk("indx", le(4, 4), []byte("00dc"), le(0, 0, 0), bytes.Repeat(le(at, 0, 1<<31, 1), 4))
		header := chunk("LIST", []byte("hdrl"),
			chunk("avih", le(40000, 0, 0, 0x10, 1, 0, 1, 0, 600, 600, 0, 0, 0, 0)),
			chunk("LIST", []byte("strl"),
				chunk("strh", []byte("vidsMJPG"), le(0, 0, 0, 1, 25, 0, 1, 0, 0, 0, 0, 0)),
				chunk("strf", le(40, 600, 600, 1|24<<16), []byte("MJPG"), le(0, 0, 0, 0, 0)),
				index))
		return chunk("RIFF", []byte("AVI "), header, chunk("LIST", []byte("movi"), chunk("00dc", read(t, "cover.jpg"))))
	}
	file := build(0)
	return build(uint32(bytes.Index(file, []byte("indx"))))
}

// crafted makes the corpus. Whatever names something else names the file or the
// address.
func crafted(t *testing.T, file, address string) map[string][]byte {
	t.Helper()
	picture := read(t, "cover.jpg")
	times := func(at ...uint64) film { return film{tracks: 1, scale: 1_000_000, clusters: at, picture: picture} }
	change := func(change func(*movie)) []byte {
		m := still
		change(&m)
		return m.make(t)
	}
	edits := func(count int, each []byte) []byte {
		return box("edts", box("elst", u32(0), u32(uint32(count)), bytes.Repeat(each, count)))
	}
	packed := squeezed(t, 64<<20)
	extreme := func(bits ...byte) []byte { return patched(t, read(t, "fragmented.mp4"), "tfdt", 0, 4, bits) }
	all := map[string][]byte{
		"QuickTime by an alias":        change(func(m *movie) { m.reference = alias(file) }),
		"QuickTime by a relative path": change(func(m *movie) { m.reference = alias("../../../../.." + file) }),
		"QuickTime by an address":      change(func(m *movie) { m.reference = box("url ", u32(0), []byte(address+"/a.mov\x00")) }),
		"QuickTime by an alias to one": change(func(m *movie) { m.reference = alias(address + "/a.mov") }),
		"QuickTime that names another movie": slices.Concat(box("ftyp", []byte("qt  \x00\x00\x00\x00")), box("moov", box("rmra", box("rmda",
			box("rdrf", u32(0), []byte("url "), u32(uint32(len(address)+7)), []byte(address+"/a.mov\x00")))))),
		"Matroska with linked segments": film{tracks: 1, scale: 1_000_000, clusters: []uint64{0}, picture: picture, info: slices.Concat(
			element(0x73A4, make([]byte, 16)), element(0x3EB923, make([]byte, 16)), element(0x3E83BB, []byte(file)), element(0x7384, []byte(address+"/a.mkv")))}.make(),
		"an AVI whose index names itself": indexOfItself(t),
		"edit lists of a million entries": change(func(m *movie) { m.edits = edits(1_000_000, slices.Concat(u32(600), u32(0), u32(1<<16))) }),
		"a million edits that go back":    change(func(m *movie) { m.edits = edits(1_000_000, slices.Concat(u32(math.MaxInt32), u32(1<<31), u32(1<<16))) }),
		"a movie of 2^32 pictures":        change(func(m *movie) { m.count = math.MaxUint32 }),
		"ticks of no time":                change(func(m *movie) { m.scale = 0 }),
		"pictures of no time":             change(func(m *movie) { m.duration = 0; m.count = 1_000_000 }),
		"ticks of 2^32 a second":          change(func(m *movie) { m.scale = math.MaxUint32 }),
		"65535 wide":                      change(func(m *movie) { m.width = math.MaxUint16 }),
		"an index that unpacks to much": slices.Concat(box("ftyp", []byte("qt  \x00\x00\x00\x00")),
			box("moov", box("cmov", box("dcom", []byte("zlib")), box("cmvd", u32(64<<20), packed)))),
		"an index that says it unpacks to more": slices.Concat(box("ftyp", []byte("qt  \x00\x00\x00\x00")),
			box("moov", box("cmov", box("dcom", []byte("zlib")), box("cmvd", u32(math.MaxUint32), packed)))),
		"pictures that unpack to much": film{tracks: 1, scale: 1_000_000, clusters: []uint64{0, 1, 2, 3}, picture: packed,
			track: element(0x6D80, element(0x6240, element(0x5034, element(0x4254, []byte{0}))))}.make(),
		"a thousand tracks":      film{tracks: 1000, scale: 1_000_000, clusters: []uint64{0}, picture: picture}.make(),
		"ticks of 0 ns":          film{tracks: 1, clusters: []uint64{0, 1}, picture: picture}.make(),
		"ticks of 2^63 ns":       film{tracks: 1, scale: math.MaxInt64, clusters: []uint64{0, 1}, picture: picture}.make(),
		"times near 2^63":        times(math.MaxInt64-1, math.MaxInt64).make(),
		"times near -2^63":       times(1<<63, 1<<63+1).make(),
		"times of all sizes":     times(0, math.MaxInt64, 1<<63, 5).make(),
		"times of 2^62 to 2^63":  times(1<<62, math.MaxInt64).make(),
		"segments in segments":   slices.Concat(element(0x1A45DFA3, element(0x4282, []byte("matroska"))), bytes.Repeat(unsized(0x18538067), 20_000)),
		"clusters in clusters":   slices.Concat(times().make(), bytes.Repeat(unsized(0x1F43B675), 100_000)),
		"tags in tags":           slices.Concat(times().make(), unsized(0x1254C367, unsized(0x7373, bytes.Repeat(unsized(0x67C8), 100_000)))),
		"fragments near 2^63":    extreme(0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"fragments near -2^63":   extreme(0x80, 0, 0, 0, 0, 0, 0, 0),
		"fragments just before":  extreme(0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0),
		"boxes of no size":       bytes.Repeat([]byte("\x00\x00\x00\x08free"), 500_000),
		"boxes in boxes, closed": nested(2000),
	}
	return all
}

// nested is boxes in boxes that say rightly how large they are.
func nested(depth int) []byte {
	inner := []byte{}
	for range depth {
		inner = box("moov", inner)
	}
	return slices.Concat(box("ftyp", []byte("isom\x00\x00\x00\x00")), inner)
}

// watched is an address at which nobody may call, and a file nobody may read.
func watched(t *testing.T) (file, address string, check func()) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			_ = c.Close()
		}
	}()
	file = filepath.Join(t.TempDir(), "secret.mov")
	if err := os.WriteFile(file, read(t, "sound.mov"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := accessed(t, file)
	return file, "http://" + listener.Addr().String(), func() {
		_ = listener.Close()
		if n := calls.Load(); n > 0 {
			t.Errorf("somebody called %d times", n)
		}
		if accessed(t, file) != before {
			t.Error("the other file was read")
		}
	}
}

// survivors are the programs that the corpus goes through: as it is, and with the
// compiler's checks.
func survivors(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"the program": program, "the checked program": sanitized(t)}
}

func TestCraftedFilesEndWithinTheLimits(t *testing.T) {
	file, address, check := watched(t)
	corpus := crafted(t, file, address)
	for kind, path := range survivors(t) {
		for name, content := range corpus {
			t.Run(kind+"/"+name, func(t *testing.T) {
				for _, x := range []Extraction{{FPS: 5, MaxFrames: 50}, {Count: 3}, {EveryNth: 2, MaxFrames: 50}} {
					endsWithinLimits(t, path, content, x)
				}
			})
		}
	}
	check()
}

// endsWithinLimits extracts, and expects some frames or one of the documented
// endings, in little memory and time.
func endsWithinLimits(t *testing.T, path string, content []byte, x Extraction) {
	t.Helper()
	limits := DefaultLimits()
	limits.Memory, limits.CPU, limits.Silence, limits.Frames = 512<<20, 2*time.Second, 10*time.Minute, 1000
	var out bytes.Buffer
	result, err := engine(t, Config{Program: path, Limits: limits, Threads: 2}).Extract(context.Background(), bytes.NewReader(content), x, ExtractOptions{}, &out)
	var refused *Error
	switch {
	case err == nil && result.Frames < 1:
		t.Errorf("%s gives no frames", describe(x))
	case err != nil && (!errors.As(err, &refused) || !slices.Contains(endings, refused.Code)):
		t.Errorf("%s ended with %v", describe(x), err)
	case err != nil:
		t.Logf("%s: %.150v", describe(x), err)
	default:
		t.Logf("%s: %d frames", describe(x), result.Frames)
	}
}

// The movie that the crafted ones are made of is a video, and so is the film:
// what is refused of them is refused for what is wrong with it.
func TestCraftedFilesAreVideosButForWhatIsWrong(t *testing.T) {
	good := film{tracks: 1, scale: 1_000_000, clusters: []uint64{0, 1000, 2000}, picture: read(t, "cover.jpg")}
	for name, content := range map[string][]byte{"movie": still.make(t), "film": good.make()} {
		if _, err := tryExtract(t, engine(t, Config{}), bytes.NewReader(content), Extraction{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Playlists are refused before the program sees them; these are dressed so that it
// does see them.
func TestDressedPlaylistsReachNothing(t *testing.T) {
	file, address, check := watched(t)
	for name, text := range map[string]string{
		"HLS":      "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n%s\n#EXT-X-ENDLIST\n",
		"HLS map":  "#EXTM3U\n#EXT-X-MAP:URI=\"%s\"\n#EXTINF:10,\n%[1]s\n",
		"concat":   "ffconcat version 1.0\nfile '%s'\n",
		"DASH":     `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>%s</BaseURL></Period></MPD>`,
		"SDP":      "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=%s\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
		"ASX":      `<asx version="3.0"><entry><ref href="%s"/></entry></asx>`,
		"SMIL":     `<smil><body><video src="%s"/></body></smil>`,
		"playlist": "[playlist]\nFile1=%s\nNumberOfEntries=1\n",
	} {
		for _, target := range []string{
			file, "file://" + file, "file:" + file, address + "/a.ts", "concat:" + file + "|" + file, "subfile,,start,0,end,0,,:" + file,
			"data:video/mp4;base64,AAAA", "http://169.254.169.254/latest/meta-data/", "tcp://" + strings.TrimPrefix(address, "http://"), "crypto:" + file,
		} {
			for _, dress := range []string{"%s", "%s\x00\x01\x02", "\x00\x00\x00\x08free%s"} {
				content := fmt.Sprintf(dress, fmt.Sprintf(text, target))
				_, err := engine(t, Config{}).Extract(t.Context(), strings.NewReader(content), Extraction{}, ExtractOptions{}, io.Discard)
				if !errors.Is(err, &Error{Code: CodeNotAVideo}) && !errors.Is(err, &Error{Code: CodeUndecodable}) {
					t.Errorf("%s of %s: %v", name, target, err)
				}
			}
		}
	}
	check()
}
