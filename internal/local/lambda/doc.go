// Package lambda is AWS Lambda on one machine: it runs the functions' real
// bootstrap binaries (provided.al2023) as child processes, or those that are images in
// containers, and talks to them over
// the Runtime API, from one listener on the loopback interface. Every worker has
// its own path on that listener: AWS_LAMBDA_RUNTIME_API is "host:port/token".
//
// What is as on Lambda:
//
//   - A worker handles one invocation at a time and is used again; another is
//     started when all are busy. Reserved concurrency throttles.
//   - The environment: the template's variables and Lambda's own, nothing of the
//     parent's but PATH. TMPDIR and HOME are a directory of the worker's own.
//   - Time runs out hard: SIGKILL to the worker and to everything it started.
//   - Init may take ten seconds; if it fails, it is done once more within the
//     function's own timeout, and only then is the invocation a failure.
//   - Limits: 6 MB in and out, 1 MB for asynchronous events. Error types:
//     Runtime.ExitError, Sandbox.Timedout, Function.ResponseSizeTooLarge.
//   - Asynchronous events are tried three times.
//
// What differs, on purpose:
//
//   - Idle workers are not frozen: a goroutine that a handler left behind goes on
//     running here, and stands still on AWS.
//   - Memory and ephemeral storage are not limited, but for those of containers, and
//     CPU is not in proportion to memory.
//   - A container's last lines can come after the end of the invocation that wrote
//     them: Docker passes them on.
//   - Without reserved concurrency a function has as many workers as this machine
//     can take, and further invocations wait for one: AWS would have had the
//     thousand that this machine has not.
//   - Asynchronous events wait in memory and are gone when the host stops.
//   - A worker whose binary was built anew is replaced before its next invocation.
//
// Nothing outlives the host, even if it is killed: see watchdog.go. Sources: the
// pages "Using the Lambda runtime API", "Lambda quotas", "Understanding the Lambda
// execution environment lifecycle" and "Invoke" of AWS' documentation.
package lambda
