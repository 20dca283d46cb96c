#!/usr/bin/env bash
# The service from outside, with curl alone: the main job end to end, bad input, stop and start
# again. Usage: tests/smoke.sh [BINARY]. One line for each check; the first failure ends it and
# shows the answer.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=${1:-target/release/whereof}
folder=$(mktemp -d)
server=
base=
body=$folder/body
head=$folder/head
log=$folder/log

finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap finish EXIT

ok() { printf 'ok    %s\n' "$1"; }

fail() {
    printf 'FAIL  %s\n' "$1"
    if [ -f "$head" ]; then cat "$head"; fi
    if [ -f "$body" ]; then head -c 4000 "$body"; fi
    printf '\n--- last lines of the log\n'
    if [ -f "$log" ]; then tail -n 20 "$log"; fi
    exit 1
}

# Starts the server and reads from its log where it listens; then waits until it is ready.
start() {
    : >"$log"
    "$binary" serve --listen 127.0.0.1:0 --data-dir "$folder/data" --drain-seconds 1 \
        2>>"$log" &
    server=$!
    for _ in $(seq 300); do
        kill -0 "$server" 2>/dev/null || fail "the server ended while it started"
        base=$(sed -n 's/.*listening.* address=\([0-9.]*:[0-9]*\).*/http:\/\/\1/p' "$log")
        if [ -n "$base" ] && curl -fsS -m 5 -o "$body" "$base/readyz" 2>/dev/null; then return; fi
        sleep 0.1
    done
    fail "the server was not ready within 30 seconds"
}

# stop NAME: SIGTERM, and the exit code must be 0.
stop() {
    local code=0
    kill -TERM "$server"
    wait "$server" || code=$?
    server=
    [ "$code" = 0 ] || fail "$1: exit code $code"
    ok "$1"
}

# call STATUS NAME PATH [ARGUMENTS OF CURL]: sends a request and checks the status.
call() {
    local wanted=$1 name=$2 path=$3 status
    shift 3
    status=$(curl -sS -m 120 -o "$body" -D "$head" -w '%{http_code}' "$@" "$base$path") ||
        fail "$name: no answer"
    [ "$status" = "$wanted" ] || fail "$name: status $status, wanted $wanted"
    ok "$name"
}

# holds TEXT: the last answer's body holds the text.
holds() { grep -qF -- "$1" "$body" || fail "the body does not hold $1"; }

# says HEADER: the last answer has a header line that begins so, whatever its case.
says() { tr -d '\r' <"$head" | grep -qiF -- "$1" || fail "no header $1"; }

# problem STATUS CODE NAME PATH [ARGUMENTS OF CURL]: as call, and the answer is that problem.
problem() {
    local status=$1 code=$2 name=$3
    shift 3
    call "$status" "$name: $status $code" "$@"
    says 'content-type: application/problem+json'
    holds "\"code\":\"$code\""
    holds "\"type\":\"/problems/$code\""
    holds '"request_id":"'
}

# value FIELD: the first string under that name in the last answer's body.
value() { { grep -o "\"$1\":\"[^\"]*\"" "$body" || true; } | sed -n '1s/.*:"\(.*\)"/\1/p'; }

json() { printf '%s' '-HContent-Type: application/json'; }

start
ok "serve starts and is ready"
call 200 "GET /healthz" /healthz
holds '"status":"ok"'
"$binary" healthcheck --listen "${base#http://}" >"$body" || fail "healthcheck: exit code $?"
holds ready
ok "healthcheck finds it ready"

# Datasets
call 201 "upload a form" /v1/datasets -F name=reviews -F file=@demo/reviews.csv
dataset=$(value id)
holds '"rows":600'
says "location: /v1/datasets/$dataset"
call 200 "upload the same raw: the same dataset" /v1/datasets \
    -H 'Content-Type: text/csv' --data-binary @demo/reviews.csv
[ "$(value id)" = "$dataset" ] || fail "another dataset"
call 200 "read records" "/v1/datasets/$dataset/records?limit=2"
holds '"sentiment"'

# Training
request='{"kind":"train","dataset":"'$dataset'","model_name":"smoke","split":{"column":"split"},
    "task":{"type":"text_classification","text":"text","label":"sentiment"}}'
call 200 "validate a job" '/v1/jobs?validate_only=true' "$(json)" -d "$request"
holds '"valid":true'
holds '"parameters_at_most":'
call 200 "validating creates nothing" /v1/jobs
holds '"items":[]'
call 202 "submit a job" /v1/jobs "$(json)" -H 'Idempotency-Key: smoke-1' -d "$request"
job=$(value id)
run=$(value run)
says "location: /v1/jobs/$job"
call 202 "submit it again under its key: the same job" /v1/jobs \
    "$(json)" -H 'Idempotency-Key: smoke-1' -d "$request"
[ "$(value id)" = "$job" ] || fail "another job"
for _ in $(seq 500); do
    curl -sS -m 60 -o "$body" -D "$head" "$base/v1/jobs/$job?wait=30" || fail "long poll: no answer"
    if grep -qF '"finished_at":"' "$body"; then break; fi
done
[ "$(value status)" = succeeded ] || fail "the job has not succeeded"
model=$(value model)
ok "long polls until the job has succeeded"
call 200 "read the run" "/v1/runs/$run"
holds '"test":{'
holds '"accuracy":'
call 200 "read metrics as CSV" "/v1/runs/$run/metrics?format=csv"
says 'content-type: text/csv'
[ "$(head -n 1 "$body" | tr -d '\r')" = name,step,epoch,value,time ] || fail "another header of CSV"
[ "$(wc -l <"$body")" -gt 10 ] || fail "hardly any metrics"
call 200 "read the job's events" "/v1/jobs/$job/events"
holds 'event: epoch'

# Models
call 200 "score texts" /v1/models/smoke/score "$(json)" \
    -d '{"texts":["I love this purchase","Collimation drifts nightly"],"min_confidence":0.5}'
holds '"probabilities":{'
holds '"unknown":[{"text":"Collimation","start":0,"end":11}'
call 200 "evaluate" /v1/models/smoke/evaluate "$(json)" \
    -d '{"dataset":"'"$dataset"'","only":{"column":"split","value":"test"}}'
holds '"accuracy":'
call 200 "read the card" "/v1/models/$model/card"
call 200 "set an alias" /v1/aliases/smoke@production -X PUT "$(json)" -d '{"model":"'"$model"'"}'
call 200 "score under the alias" /v1/models/smoke@production/score "$(json)" -d '{"text":"good"}'
problem 409 in-use "an aliased model stays" "/v1/models/$model" -X DELETE
call 200 "download the model" "/v1/models/$model/artifact"
cp "$body" "$folder/model.safetensors"
call 204 "delete the alias" /v1/aliases/smoke@production -X DELETE
call 204 "delete the model" "/v1/models/$model" -X DELETE
problem 404 not-found "it is gone" "/v1/models/$model"
call 201 "import it again" /v1/models \
    -H 'Content-Type: application/octet-stream' --data-binary "@$folder/model.safetensors"
imported=$(value id)
call 200 "score with the import" "/v1/models/$imported/score" "$(json)" -d '{"text":"good"}'

# What is wrong is told
problem 400 invalid-json "broken JSON" /v1/jobs "$(json)" -d '{"kind":'
problem 422 invalid-request "an unknown field" /v1/jobs "$(json)" \
    -d '{"kind":"train","dataset":"d","taks":{}}'
problem 422 invalid-spec "a column that is not there" /v1/jobs "$(json)" \
    -d '{"kind":"train","dataset":"'"$dataset"'",
         "task":{"type":"text_classification","text":"txet","label":"sentiment"}}'
holds '"field":"task.text"'
problem 404 not-found "a dataset that is not there" /v1/jobs "$(json)" \
    -d '{"kind":"train","dataset":"ds_0",
         "task":{"type":"text_classification","text":"text","label":"sentiment"}}'
problem 409 idempotency-mismatch "a key with another body" /v1/jobs \
    "$(json)" -H 'Idempotency-Key: smoke-1' -d "${request/smoke/other}"
problem 422 invalid-dataset "ragged CSV" /v1/datasets -H 'Content-Type: text/csv' \
    --data-binary $'text,label\na,b\nc,d,e\n'
problem 415 unsupported-media-type "an image as a dataset" /v1/datasets \
    -H 'Content-Type: image/png' --data-binary x
problem 415 unsupported-media-type "a form as a job" /v1/jobs -d kind=train
head -c 100000 "$folder/model.safetensors" >"$folder/half.safetensors"
problem 422 invalid-artifact "half a model" /v1/models -H 'Content-Type: application/octet-stream' \
    --data-binary "@$folder/half.safetensors"
problem 422 invalid-request "no texts" "/v1/models/$imported/score" "$(json)" -d '{"texts":[]}'
problem 400 invalid-query "an unknown parameter" '/v1/jobs?limt=3'
problem 400 invalid-query "a cursor from elsewhere" '/v1/jobs?cursor=x'
problem 404 not-found "an unknown path" /v1/nothing
problem 405 method-not-allowed "a method that is not accepted" /v1/jobs -X DELETE
says 'allow:'
problem 403 foreign-origin "a page of another origin" /v1/jobs \
    "$(json)" -H 'Origin: https://elsewhere.example' -d "$request"

# Operations
call 200 "GET /openapi.json" /openapi.json
holds '"openapi":"3.1'
call 200 "GET /docs/" /docs/
holds '<html'
call 200 "GET /metrics" /metrics
holds whereof_http_requests_total
holds 'whereof_jobs{status="succeeded"} 1'

# Stop and start again, a job running
endless='{"kind":"train","dataset":"'$dataset'","training":{"epochs":100000,"early_stopping":null},
    "task":{"type":"text_classification","text":"text","label":"sentiment"}}'
call 202 "submit a job that lasts" /v1/jobs "$(json)" -d "$endless"
endless=$(value id)
for _ in $(seq 300); do
    curl -sS -m 60 -o "$body" "$base/v1/jobs/$endless?wait=1" || fail "long poll: no answer"
    if [ "$(value status)" = running ]; then break; fi
done
[ "$(value status)" = running ] || fail "the job does not run"
stop "SIGTERM stops the server, exit code 0"
if "$binary" healthcheck --listen "${base#http://}" 2>"$body"; then
    fail "healthcheck finds a stopped server ready"
fi
holds 'does not answer'
ok "healthcheck finds it gone"
start
ok "serve starts again on the same folder"
call 200 "the dataset is there" "/v1/datasets/$dataset"
call 200 "the job is there" "/v1/jobs/$job"
[ "$(value status)" = succeeded ] || fail "in another status"
call 200 "the run's metrics are there" "/v1/runs/$run/metrics?format=csv"
call 200 "the model scores" "/v1/models/$imported/score" "$(json)" -d '{"text":"good"}'
call 202 "the idempotency key is known" /v1/jobs \
    "$(json)" -H 'Idempotency-Key: smoke-1' -d "$request"
[ "$(value id)" = "$job" ] || fail "another job"
call 200 "the job that ran is taken up again" "/v1/jobs/$endless"
case $(value status) in
queued | running) ;;
*) fail "it has ended" ;;
esac
call 202 "cancel it" "/v1/jobs/$endless/cancel" -X POST
stop "SIGTERM stops it again, exit code 0"
printf 'all checks passed\n'
