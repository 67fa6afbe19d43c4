package frames

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

// What the program says is read with care: it deals with hostile files, and may
// have been taken over by one.

func FuzzRecords(f *testing.F) {
	record := func(kind recordType, data string) []byte {
		head := binary.LittleEndian.AppendUint32(nil, uint32(kind))
		return append(binary.LittleEndian.AppendUint32(head, uint32(len(data))), data...)
	}
	f.Add(record(recordMedia, "{}"))
	f.Add(append(record(recordOrigin, "12345678"), record(recordImage, strings.Repeat("\xff", 30))...))
	f.Add(record(recordFail, "undecodable\nwhy"))
	f.Add(record(recordSheet, "1"))
	f.Add([]byte("M\x00\x00\x00\xff\xff\xff\xff{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		const largest = 1 << 16
		reader := newRecordReader(bytes.NewReader(text), largest)
		seen := 0
		for {
			rec, err := reader.next()
			if err != nil {
				if errors.Is(err, io.EOF) && seen != len(text) {
					t.Errorf("the end came after %d of %d bytes", seen, len(text))
				}
				return
			}
			seen += 8 + 8*numbers[rec.kind] + len(rec.data)
			if len(rec.data) > largest || cap(reader.buffer) > 2*largest {
				t.Errorf("a record of %d bytes, in room for %d", len(rec.data), cap(reader.buffer))
			}
		}
	})
}

func FuzzRangeRequests(f *testing.F) {
	request := func(offset, length, kind int64) []byte {
		b := binary.LittleEndian.AppendUint64(nil, uint64(offset))
		b = binary.LittleEndian.AppendUint64(b, uint64(length))
		return binary.LittleEndian.AppendUint64(b, uint64(kind))
	}
	f.Add(append(request(0, 64<<10, askRead), request(699_000, 5000, askRead)...))
	f.Add(append(request(300_000, 1<<62, askNow), request(300_000, 10, askRead)...))
	f.Add(request(1<<62, 1<<62, askLater))
	f.Add(request(-1, 10, askRead))
	f.Add(request(1<<63-1, 1<<20, askRead))
	f.Add(request(5, 1<<40, askRead))
	file := content(700_000)
	f.Fuzz(func(t *testing.T, requests []byte) {
		if len(requests) > 24*50 {
			t.Skip()
		}
		c := newCache(bytes.NewReader(file), func() {})
		var answers bytes.Buffer
		err := serveRanges(c, bytes.NewReader(requests), &answers)
		c.wait()
		for len(requests) >= 24 {
			offset := int64(binary.LittleEndian.Uint64(requests))
			length := int64(binary.LittleEndian.Uint64(requests[8:]))
			kind := binary.LittleEndian.Uint64(requests[16:])
			requests = requests[24:]
			if offset < 0 || length < 0 || kind == askRead && length > longestRead {
				if err == nil {
					t.Errorf("%d bytes at %d were no mistake", length, offset)
				}
				return
			}
			if kind != askRead {
				continue
			}
			from := min(offset, int64(len(file)))
			want := file[from:min(from+length, int64(len(file)))]
			if n := binary.LittleEndian.Uint64(answers.Next(8)); n != uint64(len(want)) || !bytes.Equal(answers.Next(len(want)), want) {
				t.Errorf("the answer to %d bytes at %d is %d others", length, offset, n)
			}
		}
		if answers.Len() > 0 || (err != nil) != (len(requests) > 0) {
			t.Errorf("%d bytes too many, %v", answers.Len(), err)
		}
	})
}

func FuzzMedia(f *testing.F) {
	f.Add([]byte(`{"version":"7.1","format":{"format_name":"mov,mp4,m4a,3gp,3g2,mj2","duration":4000000},"streams":[{"index":0,"codec_type":"video","codec_name":"h264",` +
		`"pix_fmt":"yuv420p","color_transfer":"bt709","decodable":true,"start_pts":0,"duration_ts":51200,"display_matrix":[0,65536,-65536,0],"width":192,"height":108,` +
		`"avg_frame_rate":"25/1","time_base":"1/12800","index_entries":100,"index_starts":1,"disposition":{"default":1,"attached_pic":0,"timed_thumbnails":0,"still_image":0}}]}`))
	f.Add([]byte(`{"streams":[{"codec_type":"video","decodable":true,"width":2147483647,"height":1,"time_base":"2147483647/1","duration_ts":9223372036854775807,"start_pts":9223372036854775807}]}`))
	f.Add([]byte(`{"streams":[{"codec_type":"video","decodable":true,"width":1,"height":1,"time_base":"1/2147483647","avg_frame_rate":"0/0","display_matrix":[0,0,0,0],"index_entries":-1}]}`))
	f.Add([]byte(`{"format":{"duration":-1},"streams":[{"codec_type":"audio"},{"codec_type":"video","disposition":{"attached_pic":1}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		limits := DefaultLimits()
		m, err := readMedia(text, limits)
		var refused *Error
		if err != nil {
			if !errors.As(err, &refused) {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if m.Width < 1 || m.Height < 1 || int64(m.Width)*int64(m.Height) > limits.Pixels || m.Duration < 0 || m.Duration > limits.Duration.Seconds() {
			t.Errorf("%+v was accepted", m)
		}
		for _, x := range hostiles {
			r := &run{engine: &Engine{limits: limits, threads: 1}, x: x.WithDefaults(), length: m.base.exact(1 << 40)}
			if err := r.start(m); err != nil && !errors.As(err, &refused) {
				t.Errorf("refused with %v", err)
			} else if err == nil && r.part.end < 1000 && len(r.plan()) == 0 {
				t.Error("no plan")
			}
		}
	})
}
