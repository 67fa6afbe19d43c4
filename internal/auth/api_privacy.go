package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
)

// registerPrivacy adds the routes by which people get, and get rid of, what is kept
// of them.
func registerPrivacy(api *httpapi.API, h handlers) {
	operation := func(id, method, path, summary, description string, status int, errors ...int) huma.Operation {
		op := closedRoute(id, method, path, summary, status, errors...)
		op.Description = description
		return op
	}
	const invalid, notFound = http.StatusUnprocessableEntity, http.StatusNotFound

	huma.Register(api, operation("erase-account", http.MethodDelete, "/v1/auth/me", "Erase the account and everything that is kept of the person",
		"The account, its sessions and its address go at once, access tokens within half a minute, videos and frames within minutes. Nothing can be brought back.",
		http.StatusAccepted, invalid), h.eraseMe)
	huma.Register(api, operation("request-export", http.MethodPost, "/v1/auth/exports", "Have everything that is kept of the person written down",
		"Once a day.", http.StatusAccepted), h.requestExport)
	huma.Register(api, operation("get-export", http.MethodGet, "/v1/auth/exports/{id}", "Show an export and sign the downloads of its files",
		"One file of each part of the system; the addresses are good for a quarter of an hour.", http.StatusOK, notFound), h.getExport)
}

type eraseInput struct {
	Body struct {
		Password string `json:"password" maxLength:"1000" format:"password" doc:"Confirms it." example:"a horse of many staples"`
	}
}

// DELETE /v1/auth/me
func (h handlers) eraseMe(ctx context.Context, in *eraseInput) (*struct{}, error) {
	return nil, h.Erase(ctx, httpapi.MustCaller(ctx).UserID, in.Body.Password)
}

// exportBody is an export as its owner sees it.
type exportBody struct {
	ID        string           `json:"id" format:"uuid"`
	Status    string           `json:"status" enum:"pending,ready" doc:"ready: all files are there."`
	CreatedAt time.Time        `json:"created_at"`
	ExpiresAt time.Time        `json:"expires_at" doc:"When the files are deleted."`
	Files     []exportFileBody `json:"files"`
}

type exportFileBody struct {
	Name string `json:"name" example:"video.json"`
	Size int64  `json:"size" doc:"Bytes."`
	URL  string `json:"url" doc:"GET the file here, within a quarter of an hour."`
}

func renderExport(x *Export) exportBody {
	b := exportBody{
		ID: x.ID, Status: "pending", CreatedAt: x.CreatedAt.UTC(), ExpiresAt: x.ExpiresAt.UTC(),
		Files: make([]exportFileBody, len(x.Files)),
	}
	if x.Ready {
		b.Status = "ready"
	}
	for i, f := range x.Files {
		b.Files[i] = exportFileBody(f)
	}
	return b
}

type requestExportOutput struct {
	Body struct {
		Export exportBody `json:"export"`
	}
}

// POST /v1/auth/exports
func (h handlers) requestExport(ctx context.Context, _ *struct{}) (*requestExportOutput, error) {
	x, err := h.RequestExport(ctx, httpapi.MustCaller(ctx).UserID)
	if err != nil {
		return nil, err
	}
	var out requestExportOutput
	out.Body.Export = renderExport(x)
	return &out, nil
}

type getExportInput struct {
	ID string `path:"id" maxLength:"64" doc:"The export's ID."`
}

type getExportOutput struct {
	Body exportBody
}

// GET /v1/auth/exports/{id}
func (h handlers) getExport(ctx context.Context, in *getExportInput) (*getExportOutput, error) {
	x, err := h.ShowExport(ctx, httpapi.MustCaller(ctx).UserID, in.ID)
	if err != nil {
		return nil, err
	}
	return &getExportOutput{Body: renderExport(x)}, nil
}
