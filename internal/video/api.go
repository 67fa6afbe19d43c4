package video

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/rest"
)

// Register adds the service's routes to an API.
func Register(api *httpapi.API, s *Service) {
	h := handlers{s}
	operation := func(id, method, path, summary string, status int, errors ...int) huma.Operation {
		scope := httpapi.VideosWrite
		if method == http.MethodGet {
			scope = httpapi.VideosRead
		}
		return huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: status,
			Tags: []string{"videos"}, Security: httpapi.Login(scope), Errors: append(errors, http.StatusUnauthorized, http.StatusInternalServerError),
		}
	}
	const notFound, conflict, invalid = http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity

	huma.Register(api, operation("create-video", http.MethodPost, "/v1/videos",
		"Register a video and get its signed upload", http.StatusCreated,
		notFound, conflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, invalid, http.StatusTooManyRequests), h.create)
	huma.Register(api, operation("sign-parts", http.MethodPost, "/v1/videos/{id}/parts",
		"Sign parts of a multipart upload", http.StatusOK, notFound, conflict, invalid), h.signParts)
	huma.Register(api, operation("list-parts", http.MethodGet, "/v1/videos/{id}/parts",
		"List the parts that have arrived", http.StatusOK, notFound, conflict), h.listParts)
	huma.Register(api, operation("complete-upload", http.MethodPost, "/v1/videos/{id}/complete",
		"Say that the upload is complete", http.StatusAccepted, notFound, conflict, invalid), h.complete)
	huma.Register(api, operation("cancel-video", http.MethodPost, "/v1/videos/{id}/cancel",
		"Stop processing a video", http.StatusAccepted, notFound, conflict), h.cancel)
	huma.Register(api, operation("retry-video", http.MethodPost, "/v1/videos/{id}/retry",
		"Process a video again, with other options if given", http.StatusAccepted, notFound, conflict, invalid, http.StatusTooManyRequests), h.retry)
	huma.Register(api, operation("delete-video", http.MethodDelete, "/v1/videos/{id}",
		"Delete a video, its frames and all that is known of it", http.StatusNoContent, notFound), h.delete)
	usage := operation("get-usage", http.MethodGet, "/v1/usage", "Show how much of the quotas is used", http.StatusOK)
	usage.Security = httpapi.Login(httpapi.AccountRead)
	huma.Register(api, usage, h.usage)
}

type handlers struct{ *Service }

// Ref is the path of one video. It is exported since huma passes over embedded
// structs that are not.
type Ref struct {
	ID string `path:"id" maxLength:"64" doc:"The video's ID."`
}

type createInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"Makes repeating the request safe for 24 hours: the same key gives the same video."`
	Body           struct {
		Filename    string             `json:"filename" minLength:"1" maxLength:"255" example:"holiday.mp4"`
		Size        int64              `json:"size" minimum:"0" doc:"Bytes; the upload must have exactly as many."`
		ContentType string             `json:"content_type" minLength:"1" maxLength:"255" example:"video/mp4"`
		SHA256      string             `json:"sha256,omitempty" pattern:"^[0-9a-fA-F]{64}$" patternDescription:"64 hexadecimal digits" doc:"Of the file; checked when it is processed."`
		Extraction  *frames.Extraction `json:"extraction,omitempty" doc:"What to extract; by default one JPEG a second."`
	}
}

type createOutput struct {
	Body struct {
		Video  rest.Video     `json:"video"`
		Upload uploadResponse `json:"upload"`
	}
}

type uploadResponse struct {
	Method    string            `json:"method" enum:"POST,MULTIPART" doc:"POST: one multipart/form-data request with the fields first and the file, named file, last. MULTIPART: parts, signed by POST /v1/videos/{id}/parts."`
	URL       string            `json:"url,omitempty" doc:"Where to POST."`
	Fields    map[string]string `json:"fields,omitempty" doc:"The form's fields; they are signed."`
	UploadID  string            `json:"upload_id,omitempty"`
	PartSize  int64             `json:"part_size,omitempty" doc:"Bytes of every part but the last."`
	ExpiresAt time.Time         `json:"expires_at" doc:"The upload must begin before."`
}

// POST /v1/videos
func (h handlers) create(ctx context.Context, in *createInput) (*createOutput, error) {
	r := Request{
		Filename: in.Body.Filename, Size: in.Body.Size, ContentType: in.Body.ContentType,
		SHA256: strings.ToLower(in.Body.SHA256),
	}
	if in.Body.Extraction != nil {
		r.Extraction = *in.Body.Extraction
	}
	v, upload, err := h.Create(ctx, httpapi.MustCaller(ctx).UserID, in.IdempotencyKey, r)
	if err != nil {
		return nil, err
	}
	var out createOutput
	out.Body.Video, err = render(v, h.Now())
	out.Body.Upload = uploadResponse{Method: "MULTIPART", UploadID: v.UploadID, PartSize: v.PartSize, ExpiresAt: upload.ExpiresAt}
	if upload.Form != nil {
		out.Body.Upload = uploadResponse{Method: http.MethodPost, URL: upload.Form.URL, Fields: upload.Form.Fields, ExpiresAt: upload.ExpiresAt}
	}
	return &out, err
}

type signPartsInput struct {
	Ref
	Body struct {
		PartNumbers []int `json:"part_numbers" minItems:"1" maxItems:"1000" doc:"Counted from 1."`
	}
}

type signPartsOutput struct {
	Body struct {
		Parts     []signedPart `json:"parts"`
		ExpiresAt time.Time    `json:"expires_at"`
	}
}

type signedPart struct {
	PartNumber int    `json:"part_number"`
	URL        string `json:"url" doc:"PUT the part's bytes here, and keep the ETag of the answer."`
}

// POST /v1/videos/{id}/parts
func (h handlers) signParts(ctx context.Context, in *signPartsInput) (*signPartsOutput, error) {
	signed, expires, err := h.SignParts(ctx, httpapi.MustCaller(ctx).UserID, in.ID, in.Body.PartNumbers)
	if err != nil {
		return nil, err
	}
	var out signPartsOutput
	out.Body.ExpiresAt = expires.UTC()
	out.Body.Parts = make([]signedPart, len(signed))
	for i, p := range signed {
		out.Body.Parts[i] = signedPart{PartNumber: p.Number, URL: p.URL}
	}
	return &out, nil
}

type listPartsOutput struct {
	Body struct {
		Parts []storedPart `json:"parts"`
	}
}

type storedPart struct {
	PartNumber int    `json:"part_number"`
	ETag       string `json:"etag"`
	Size       int64  `json:"size" doc:"Bytes."`
}

// GET /v1/videos/{id}/parts
func (h handlers) listParts(ctx context.Context, in *Ref) (*listPartsOutput, error) {
	parts, err := h.Parts(ctx, httpapi.MustCaller(ctx).UserID, in.ID)
	if err != nil {
		return nil, err
	}
	var out listPartsOutput
	out.Body.Parts = make([]storedPart, len(parts))
	for i, p := range parts {
		out.Body.Parts[i] = storedPart{PartNumber: p.Number, ETag: p.ETag, Size: p.Size}
	}
	return &out, nil
}

type completeInput struct {
	Ref
	Body *struct {
		Parts []completedPart `json:"parts,omitempty" maxItems:"10000" doc:"All parts in order; none for an upload in one POST."`
	}
}

type completedPart struct {
	PartNumber int    `json:"part_number" minimum:"1"`
	ETag       string `json:"etag" minLength:"1" maxLength:"255" doc:"As S3 answered, with or without quotes."`
}

type videoOutput struct {
	Body rest.Video
}

// POST /v1/videos/{id}/complete
func (h handlers) complete(ctx context.Context, in *completeInput) (*videoOutput, error) {
	var parts []Part
	if in.Body != nil {
		for _, p := range in.Body.Parts {
			parts = append(parts, Part{Number: p.PartNumber, ETag: p.ETag})
		}
	}
	return h.rendered(h.Complete(ctx, httpapi.MustCaller(ctx).UserID, in.ID, parts))
}

// POST /v1/videos/{id}/cancel
func (h handlers) cancel(ctx context.Context, in *Ref) (*struct{}, error) {
	return nil, h.Cancel(ctx, httpapi.MustCaller(ctx).UserID, in.ID)
}

type retryInput struct {
	Ref
	Body *struct {
		Extraction *frames.Extraction `json:"extraction,omitempty" doc:"By default as before."`
	}
}

// POST /v1/videos/{id}/retry
func (h handlers) retry(ctx context.Context, in *retryInput) (*videoOutput, error) {
	var extraction *frames.Extraction
	if in.Body != nil {
		extraction = in.Body.Extraction
	}
	return h.rendered(h.Retry(ctx, httpapi.MustCaller(ctx).UserID, in.ID, extraction))
}

// DELETE /v1/videos/{id}
func (h handlers) delete(ctx context.Context, in *Ref) (*struct{}, error) {
	return nil, h.Delete(ctx, httpapi.MustCaller(ctx).UserID, in.ID)
}

func (h handlers) rendered(v *Video, err error) (*videoOutput, error) {
	if err != nil {
		return nil, err
	}
	body, err := render(v, h.Now())
	return &videoOutput{Body: body}, err
}

// render shows a video as far as this service knows it: before processing.
func render(v *Video, now time.Time) (rest.Video, error) {
	extraction, err := json.Marshal(v.Extraction)
	if err != nil {
		return rest.Video{}, fmt.Errorf("encode extraction: %w", err)
	}
	status := rest.Queued
	if v.State == Awaited {
		status = rest.AwaitingUpload
	}
	return rest.Video{
		ID: v.ID, Filename: v.Filename, Size: v.Size, ContentType: v.ContentType, Status: status,
		Extraction: extraction, CreatedAt: v.CreatedAt.UTC(), UpdatedAt: now.UTC(), ExpiresAt: v.ExpiresAt.UTC(),
	}, nil
}

// sameETag compares ETags whether or not they stand in quotes.
func sameETag(a, b string) bool {
	return strings.Trim(a, `"`) == strings.Trim(b, `"`)
}
