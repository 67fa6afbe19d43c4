// Package s3 is the local stack's object store: Amazon S3's HTTP API over a
// directory, for unmodified AWS SDKs, awscli, boto3 and browsers.
//
// The protocol, the signature checks and the storage are
// github.com/versity/versitygw with its posix backend. It speaks fasthttp; the
// stack speaks net/http, so that one port can serve S3, SQS, DynamoDB and SES.
// The two meet at a private unix socket behind a reverse proxy that changes
// neither host, path, query nor headers: what the client signed is what is
// verified, and bodies stream both ways.
//
// What versitygw does not have is added here:
//
//   - Event notifications to SQS queues. A change is written down as an intent
//     in SQLite before the object store commits it and delivered afterwards, so
//     that an acknowledged upload yields its event whatever happens to the
//     process or to the queue in between. An event can be delivered twice, and
//     is never lost.
//   - Lifecycle rules: [Server.Sweep] expires objects and noncurrent versions
//     and aborts incomplete multipart uploads.
//   - Public access blocks and bucket encryption are stored and returned, and
//     change nothing: there is one account, every request is signed by it, and
//     the objects lie unencrypted on the local disk. The same holds for storage
//     class transitions in a lifecycle configuration.
//   - Repair of multipart uploads whose completion was cut short by a crash.
//
// # On disk
//
//	dir/buckets/<bucket>/<key>   objects; metadata in user extended attributes
//	dir/versions/                noncurrent versions of versioned buckets
//	dir/state.db                 configuration and event outbox (SQLite)
//
// An object becomes visible by one link or rename, after its data and its
// metadata are complete. Nothing is fsynced: what was acknowledged survives the
// death of the process (kill -9), not the loss of power. The file system must
// support user extended attributes; [Open] fails if it does not.
//
// # Limits
//
// The posix backend works relative to the process's working directory: while a
// [Server] is open the working directory is dir/buckets, one Server can be open
// per process, and nothing else may change directory. A key cannot be both an
// object and a prefix of another one up to a slash ("a" and "a/b"), and no
// component of a key may exceed 255 bytes. Session tokens are not supported. A
// presigned POST must arrive within an hour of its x-amz-date, however late the
// policy expires, and "${filename}" in its key is not replaced. Signature version
// 2 is refused, as S3 does for new buckets; awscli 1 and boto3 presign with it
// unless told signature_version=s3v4. Notifications go to SQS queues only. On
// ext4 the policy, CORS rules and tags of a bucket share some 4 KiB. Signatures
// expire by the machine's clock, whatever [Options.Now] says.
package s3
