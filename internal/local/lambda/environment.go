package lambda

import (
	"maps"
	"slices"
	"strconv"
)

// environment is what a worker finds in its environment, wherever it runs; its
// executor adds where its folders are. Where a name comes twice, the later wins: what
// the template says stands over the host's extras, and Lambda's reserved names over
// both.
//
// Source: "Using Lambda environment variables", defined runtime environment
// variables.
func (h *Host) environment(fn *function, w *worker) []string {
	env := []string{"LANG=en_US.UTF-8"}
	env = append(env, h.cfg.Env(fn.Function)...)
	for _, name := range slices.Sorted(maps.Keys(fn.Environment)) {
		env = append(env, name+"="+fn.Environment[name])
	}
	env = append(env,
		"TZ=:UTC",
		"AWS_REGION="+h.cfg.Region,
		"AWS_DEFAULT_REGION="+h.cfg.Region,
		"AWS_LAMBDA_RUNTIME_API="+h.listener.Addr().String()+"/"+w.token,
		"AWS_LAMBDA_FUNCTION_NAME="+fn.Name,
		"AWS_LAMBDA_FUNCTION_VERSION="+version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE="+strconv.Itoa(fn.MemorySize),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/"+fn.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME="+w.started.UTC().Format("2006/01/02")+"/["+version+"]"+w.token,
		"LAMBDA_RUNTIME_DIR=/var/runtime",
	)
	if fn.PackageType == "Image" {
		return env
	}
	return append(env,
		"_HANDLER="+fn.Handler,
		"AWS_EXECUTION_ENV=AWS_Lambda_"+fn.Runtime,
	)
}
