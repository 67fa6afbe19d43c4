package problem

import "net/http"

// Codes of answers to requests.
const (
	Internal           Code = "internal"
	InvalidRequest     Code = "invalid_request"
	NotJSON            Code = "not_json"
	RequestTooLarge    Code = "request_too_large"
	NotFound           Code = "not_found"
	RouteNotFound      Code = "route_not_found"
	Unauthorized       Code = "unauthorized"
	Forbidden          Code = "forbidden"
	InsufficientScope  Code = "insufficient_scope"
	CrossSite          Code = "cross_site"
	TooManyKeys        Code = "too_many_keys"
	Throttled          Code = "throttled"
	TimedOut           Code = "timed_out"
	BadRequest         Code = "bad_request"
	EmailTaken         Code = "email_taken"
	WeakPassword       Code = "weak_password"
	InvalidCredentials Code = "invalid_credentials" //nolint:gosec // a code, not a credential
	WrongPassword      Code = "wrong_password"      //nolint:gosec // a code, not a credential
	InvalidCode        Code = "invalid_code"
	InvalidLink        Code = "invalid_link"
	TooManyAttempts    Code = "too_many_attempts"
	SessionRevoked     Code = "session_revoked"
	InvalidExtraction  Code = "invalid_extraction"
	UnsupportedMedia   Code = "unsupported_media"
	TooLarge           Code = "too_large"
	QuotaExceeded      Code = "quota_exceeded"
	IdempotencyReused  Code = "idempotency_key_reused"
	UploadClosed       Code = "upload_closed"
	UploadMissing      Code = "upload_missing"
	InvalidParts       Code = "invalid_parts"
	NotRetryable       Code = "not_retryable"
	NotCancellable     Code = "not_cancellable"
	NotReady           Code = "not_ready"
	Expired            Code = "expired"
	NoWebhook          Code = "no_webhook"
	SuppressionStays   Code = "suppression_stays"
)

// Codes of videos that failed. Those of the extraction engine are spelled as in
// package frames.
const (
	EmptyFile        Code = "empty_file"
	NotAVideo        Code = "not_a_video"
	NoVideoStream    Code = "no_video_stream"
	UnsupportedCodec Code = "unsupported_codec"
	Undecodable      Code = "undecodable"
	Stalled          Code = "stalled"
	TooLong          Code = "too_long"
	TooManyPixels    Code = "too_many_pixels"
	TooManyFrames    Code = "too_many_frames"
	TooMuchMemory    Code = "too_much_memory"
	TooMuchCPU       Code = "too_much_cpu"
	OutputTooLarge   Code = "output_too_large"
	NoFrames         Code = "no_frames"
	ChecksumMismatch Code = "checksum_mismatch"
	SizeMismatch     Code = "size_mismatch"
	UploadAbandoned  Code = "upload_abandoned"
	UploadUnsigned   Code = "upload_unsigned"
	SourceGone       Code = "source_gone"
	TimeLimit        Code = "time_limit"
	ProcessingFailed Code = "processing_failed"
)

// Codes of warnings on videos that completed, spelled as in package frames.
const (
	Truncated Code = "truncated"
	Damaged   Code = "damaged"
	HDR       Code = "hdr_not_tone_mapped"
)

// row is one entry of the catalogue; status is 0 for the codes of failed
// videos, which answer no request.
type row struct {
	status int
	en, pt Text
}

// catalogue maps every code to its HTTP status and texts: the only such place.
var catalogue = map[Code]row{
	Internal: {
		http.StatusInternalServerError,
		Text{"Internal error", "Something failed on our side. Try again; if it goes on, report it with the request id."},
		Text{"Erro interno", "Algo falhou do nosso lado. Tente de novo; se continuar, informe o identificador da requisição."},
	},
	InvalidRequest: {
		http.StatusUnprocessableEntity,
		Text{"Invalid request", "The request does not fit the API: see errors for what to change."},
		Text{"Requisição inválida", "A requisição não segue a API: veja em errors o que mudar."},
	},
	NotJSON: {
		http.StatusUnsupportedMediaType,
		Text{"Not JSON", "The API reads and answers application/json."},
		Text{"Não é JSON", "A API lê e responde application/json."},
	},
	RequestTooLarge: {
		http.StatusRequestEntityTooLarge,
		Text{"Request too large", "The body is too large. Videos are uploaded to the address that POST /v1/videos gives."},
		Text{"Requisição grande demais", "O corpo é grande demais. Vídeos são enviados para o endereço que POST /v1/videos informa."},
	},
	NotFound: {
		http.StatusNotFound,
		Text{"Not found", "There is no such thing, or it is not yours."},
		Text{"Não encontrado", "Isso não existe ou não é seu."},
	},
	RouteNotFound: {
		http.StatusNotFound,
		Text{"Not found", "There is nothing at this address and method."},
		Text{"Não encontrado", "Não há nada neste endereço e método."},
	},
	Unauthorized: {
		http.StatusUnauthorized,
		Text{"Not logged in", "Log in and send the access token as a bearer token."},
		Text{"Não autenticado", "Entre na sua conta e envie o token de acesso como bearer token."},
	},
	Forbidden: {
		http.StatusForbidden,
		Text{"Forbidden", "This access token does not allow that."},
		Text{"Proibido", "Este token de acesso não permite isso."},
	},
	InsufficientScope: {
		http.StatusForbidden,
		Text{"Not allowed for this key", "This API key may not do that. Use one that has the scope that is named, or log in."},
		Text{"Não permitido a esta chave", "Esta chave de API não pode fazer isso. Use uma que tenha o escopo apontado ou entre na sua conta."},
	},
	CrossSite: {
		http.StatusForbidden,
		Text{"From another site", "The session's cookie counts only for requests of the web app itself. Open the app and try there."},
		Text{"De outro site", "O cookie da sessão só vale para requisições do próprio aplicativo. Abra o aplicativo e tente por lá."},
	},
	NoWebhook: {
		http.StatusConflict,
		Text{"No webhook", "You have no webhook. Set the address of one first."},
		Text{"Nenhum webhook", "Você não tem webhook. Defina antes o endereço de um."},
	},
	SuppressionStays: {
		http.StatusConflict,
		Text{"No mails go to this address", "Mails to your address bounced too often, or were called spam. Change it to another one."},
		Text{"Nenhum e-mail vai para este endereço", "As mensagens para o seu e-mail voltaram vezes demais ou foram marcadas como spam. Troque-o por outro."},
	},
	TooManyKeys: {
		http.StatusConflict,
		Text{"Too many API keys", "You have as many API keys as are allowed. Delete those that you do not use, or that have expired."},
		Text{"Chaves de API demais", "Você já tem o máximo de chaves de API. Apague as que não usa ou que expiraram."},
	},
	Throttled: {
		http.StatusTooManyRequests,
		Text{"Too many requests", "Too many requests arrive at this moment. Try again in a second."},
		Text{"Requisições demais", "Há requisições demais neste momento. Tente de novo em um segundo."},
	},
	TimedOut: {
		http.StatusGatewayTimeout,
		Text{"Timed out", "The answer took too long. Try again."},
		Text{"Tempo esgotado", "A resposta demorou demais. Tente de novo."},
	},
	BadRequest: {
		http.StatusBadRequest,
		Text{"Bad request", "The request could not be read."},
		Text{"Requisição ilegível", "Não foi possível ler a requisição."},
	},
	EmailTaken: {
		http.StatusConflict,
		Text{"E-mail taken", "There is an account with this e-mail address already. Log in, or use another address."},
		Text{"E-mail já usado", "Já existe uma conta com este e-mail. Entre nela ou use outro endereço."},
	},
	WeakPassword: {
		http.StatusUnprocessableEntity,
		Text{"Weak password", "Choose a password of at least 10 characters that is neither common nor your e-mail address."},
		Text{"Senha fraca", "Escolha uma senha de ao menos 10 caracteres que não seja comum nem o seu e-mail."},
	},
	InvalidCredentials: {
		http.StatusUnauthorized,
		Text{"Wrong e-mail or password", "The e-mail address and the password do not belong together."},
		Text{"E-mail ou senha incorretos", "O e-mail e a senha não combinam."},
	},
	WrongPassword: {
		http.StatusUnprocessableEntity,
		Text{"Wrong password", "That is not your current password. Type it again, or have a code mailed to set a new one."},
		Text{"Senha incorreta", "Essa não é a sua senha atual. Digite-a de novo ou peça um código por e-mail para definir outra."},
	},
	InvalidCode: {
		http.StatusUnprocessableEntity,
		Text{"Code not valid", "This code is wrong, was used, or is too old. Type it again, or have a new one mailed: only the newest is good."},
		Text{"Código inválido", "Este código está errado, já foi usado ou é antigo demais. Digite-o de novo ou peça outro: só vale o mais novo."},
	},
	InvalidLink: {
		http.StatusUnprocessableEntity,
		Text{"Link not valid", "This link is not whole, or too old. Open it from the mail again, or switch mails off in your settings."},
		Text{"Link inválido", "Este link está incompleto ou é antigo demais. Abra-o de novo no e-mail ou desative as mensagens nas suas configurações."},
	},
	TooManyAttempts: {
		http.StatusTooManyRequests,
		Text{"Too many attempts", "There were too many attempts. Wait as long as Retry-After says, and try again."},
		Text{"Tentativas demais", "Houve tentativas demais. Espere o tempo que Retry-After informa e tente de novo."},
	},
	SessionRevoked: {
		http.StatusUnauthorized,
		Text{"Session ended", "This session has ended. Log in again."},
		Text{"Sessão encerrada", "Esta sessão foi encerrada. Entre de novo."},
	},
	InvalidExtraction: {
		http.StatusUnprocessableEntity,
		Text{"Invalid extraction", "These extraction options cannot be used together, or not with these values. Change the ones that are named."},
		Text{"Extração inválida", "Estas opções de extração não combinam ou têm valores que não servem. Mude as que são apontadas."},
	},
	UnsupportedMedia: {
		http.StatusUnsupportedMediaType,
		Text{"Not a supported video", "Upload a video file, such as MP4, MOV, MKV, WebM, AVI, MPEG-TS or OGV."},
		Text{"Vídeo não suportado", "Envie um arquivo de vídeo, como MP4, MOV, MKV, WebM, AVI, MPEG-TS ou OGV."},
	},
	TooLarge: {
		http.StatusRequestEntityTooLarge,
		Text{"Video too large", "The video is larger than is allowed. Cut it into parts or compress it."},
		Text{"Vídeo grande demais", "O vídeo passa do tamanho permitido. Divida-o em partes ou comprima-o."},
	},
	QuotaExceeded: {
		http.StatusTooManyRequests,
		Text{"Quota exceeded", "You have reached a limit of your account. Wait as long as Retry-After says."},
		Text{"Cota excedida", "Você atingiu um limite da sua conta. Espere o tempo que Retry-After informa."},
	},
	IdempotencyReused: {
		http.StatusUnprocessableEntity,
		Text{"Idempotency key reused", "This Idempotency-Key came before with another request. Use a new one for each video."},
		Text{"Chave de idempotência repetida", "Esta Idempotency-Key já veio com outra requisição. Use uma nova para cada vídeo."},
	},
	UploadClosed: {
		http.StatusConflict,
		Text{"Upload closed", "This upload has ended. Register the video again to upload it anew."},
		Text{"Envio encerrado", "Este envio já terminou. Registre o vídeo outra vez para enviá-lo de novo."},
	},
	UploadMissing: {
		http.StatusConflict,
		Text{"Upload not finished", "The file is not there yet. Upload it first."},
		Text{"Envio incompleto", "O arquivo ainda não chegou. Envie-o primeiro."},
	},
	InvalidParts: {
		http.StatusUnprocessableEntity,
		Text{"Parts do not match", "The parts do not make up the announced file. List them with GET …/parts, and upload what is missing."},
		Text{"Partes não conferem", "As partes não formam o arquivo anunciado. Liste-as com GET …/parts e envie o que falta."},
	},
	NotRetryable: {
		http.StatusConflict,
		Text{"Cannot be retried", "A video can be processed again once it has completed, failed or been cancelled, and while its file is kept."},
		Text{"Não pode ser repetido", "Um vídeo pode ser processado de novo depois de concluir, falhar ou ser cancelado, enquanto o arquivo é guardado."},
	},
	NotCancellable: {
		http.StatusConflict,
		Text{"Cannot be cancelled", "The video has ended already."},
		Text{"Não pode ser cancelado", "O vídeo já terminou."},
	},
	NotReady: {
		http.StatusConflict,
		Text{"Not ready", "The frames are not there yet. Ask for the video's status to see how far it is."},
		Text{"Ainda não está pronto", "Os quadros ainda não estão prontos. Consulte o status do vídeo para ver o andamento."},
	},
	Expired: {
		http.StatusGone,
		Text{"Expired", "The archive was deleted because its time was over. Upload the video again."},
		Text{"Expirado", "O arquivo foi apagado porque o prazo terminou. Envie o vídeo de novo."},
	},

	EmptyFile: {
		0,
		Text{"Empty file", "The file is empty. Check that it was saved or copied completely, and upload it again."},
		Text{"Arquivo vazio", "O arquivo está vazio. Verifique se foi salvo ou copiado por inteiro e envie-o de novo."},
	},
	NotAVideo: {
		0,
		Text{"Not a video", "The file is not a video in a format that we can read. Upload an MP4, MOV, MKV, WebM, AVI, MPEG-TS or OGV file."},
		Text{"Não é um vídeo", "O arquivo não é um vídeo em um formato que conseguimos ler. Envie um arquivo MP4, MOV, MKV, WebM, AVI, MPEG-TS ou OGV."},
	},
	NoVideoStream: {
		0,
		Text{"No picture", "The file holds sound but no video. Upload the version with the picture."},
		Text{"Sem imagem", "O arquivo tem som, mas não tem vídeo. Envie a versão com imagem."},
	},
	UnsupportedCodec: {
		0,
		Text{"Unknown codec", "The video is compressed in a way that we cannot decode. Convert it to H.264, HEVC, VP9 or AV1."},
		Text{"Codec desconhecido", "O vídeo está comprimido de um modo que não conseguimos decodificar. Converta-o para H.264, HEVC, VP9 ou AV1."},
	},
	Stalled: {
		0,
		Text{"Decoding stood still", "Decoding this video came to a standstill. Export it again, or convert it to MP4 with H.264."},
		Text{"A decodificação parou", "A decodificação deste vídeo parou de avançar. Exporte-o de novo ou converta-o para MP4 com H.264."},
	},
	Truncated: {
		0,
		Text{"Incomplete file", "The file ends before its video does: the archive holds the frames that were there."},
		Text{"Arquivo incompleto", "O arquivo termina antes do vídeo: o ZIP contém os quadros que havia."},
	},
	Damaged: {
		0,
		Text{"Damaged in places", "Parts of the video could not be decoded: some frames may be missing or flawed."},
		Text{"Danificado em partes", "Partes do vídeo não puderam ser decodificadas: alguns quadros podem faltar ou ter falhas."},
	},
	HDR: {
		0,
		Text{"High dynamic range", "The video has a high dynamic range and was not tone mapped: its frames look flat."},
		Text{"Alto alcance dinâmico", "O vídeo tem alto alcance dinâmico (HDR) e não foi convertido: os quadros parecem sem contraste."},
	},
	Undecodable: {
		0,
		Text{"Damaged video", "Not a single frame could be decoded. The file is damaged or incomplete: export or copy it again."},
		Text{"Vídeo danificado", "Nenhum quadro pôde ser decodificado. O arquivo está danificado ou incompleto: exporte-o ou copie-o de novo."},
	},
	TooLong: {
		0,
		Text{"Video too long", "The video lasts longer than is allowed. Cut it into parts."},
		Text{"Vídeo longo demais", "O vídeo dura mais do que o permitido. Divida-o em partes."},
	},
	TooManyPixels: {
		0,
		Text{"Picture too large", "The video, or the size of the frames that were asked for, has more pixels than is allowed. Ask for smaller frames, or scale the video down."},
		Text{"Imagem grande demais", "O vídeo, ou o tamanho pedido para os quadros, tem mais pixels do que o permitido. Peça quadros menores ou reduza a resolução do vídeo."},
	},
	TooManyFrames: {
		0,
		Text{"Too many frames", "That would be more frames than one archive may have. Take fewer a second, or a part of the video."},
		Text{"Quadros demais", "Seriam mais quadros do que um arquivo pode ter. Extraia menos por segundo ou só um trecho do vídeo."},
	},
	TooMuchMemory: {
		0,
		Text{"Too much memory", "Decoding this video takes more memory than is allowed. Export it again with a smaller picture, or convert it to MP4 with H.264."},
		Text{"Memória demais", "Decodificar este vídeo exige mais memória do que o permitido. Exporte-o de novo com uma imagem menor ou converta-o para MP4 com H.264."},
	},
	TooMuchCPU: {
		0,
		Text{"Too much work", "Decoding this video takes more computing than is allowed. Choose a part of it, or convert it to MP4 with H.264 and a usual frame rate."},
		Text{"Trabalho demais", "Decodificar este vídeo exige mais processamento do que o permitido. Escolha um trecho ou converta-o para MP4 com H.264 e uma taxa de quadros comum."},
	},
	OutputTooLarge: {
		0,
		Text{"Archive too large", "The frames would make a larger archive than is allowed. Take fewer or smaller frames, or JPEG in place of PNG."},
		Text{"Arquivo grande demais", "Os quadros formariam um ZIP maior do que o permitido. Extraia menos quadros ou quadros menores, ou use JPEG em vez de PNG."},
	},
	NoFrames: {
		0,
		Text{"No frames there", "The chosen part of the video holds no frames. Choose a start within the video's duration."},
		Text{"Nenhum quadro ali", "O trecho escolhido do vídeo não tem quadros. Escolha um início dentro da duração do vídeo."},
	},
	ChecksumMismatch: {
		0,
		Text{"Damaged in transfer", "The file that arrived is not the one that was announced: its SHA-256 differs. Upload it again."},
		Text{"Danificado no envio", "O arquivo recebido não é o anunciado: o SHA-256 é outro. Envie-o de novo."},
	},
	SizeMismatch: {
		0,
		Text{"Another size than announced", "The file that arrived does not have the size that was announced. Upload it again."},
		Text{"Tamanho diferente do anunciado", "O arquivo recebido não tem o tamanho anunciado. Envie-o de novo."},
	},
	UploadAbandoned: {
		0,
		Text{"Never uploaded", "The file did not arrive in time. Upload the video again."},
		Text{"Nunca enviado", "O arquivo não chegou a tempo. Envie o vídeo de novo."},
	},
	UploadUnsigned: {
		0,
		Text{"Unknown upload", "The file came without the data that was signed for it. Upload the video again as the API describes."},
		Text{"Envio desconhecido", "O arquivo veio sem os dados que foram assinados para ele. Envie o vídeo de novo como a API descreve."},
	},
	SourceGone: {
		0,
		Text{"File gone", "The uploaded file is not kept any more. Upload the video again."},
		Text{"Arquivo apagado", "O arquivo enviado não é mais guardado. Envie o vídeo de novo."},
	},
	TimeLimit: {
		0,
		Text{"Took too long", "Processing took longer than a worker may work. Take fewer frames, smaller ones, or a part of the video."},
		Text{"Demorou demais", "O processamento demorou mais do que o permitido. Extraia menos quadros, quadros menores ou só um trecho do vídeo."},
	},
	ProcessingFailed: {
		0,
		Text{"Processing failed", "We tried several times and could not process this video. Try it again later; if it goes on, tell us the video's id."},
		Text{"O processamento falhou", "Tentamos várias vezes e não conseguimos processar este vídeo. Tente de novo mais tarde; se continuar, informe o identificador do vídeo."},
	},
}
