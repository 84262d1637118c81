#!/usr/bin/env bash
# What action.yml runs. All inputs come in variables, and are words of one command: no shell reads them as code.
set -euo pipefail

case "$CHECK_COMMAND" in
  validate | dry-run) ;;
  *)
    echo "::error title=wootric-replay::the input command is validate or dry-run"
    exit 2
    ;;
esac

words=("$CHECK_COMMAND" --format "$CHECK_FORMAT")
if [ -n "$CHECK_OUTPUT" ]; then
  words+=(--output "$CHECK_OUTPUT")
fi
while IFS= read -r line; do
  if [ -n "$line" ]; then words+=("$line"); fi
done <<< "$CHECK_ARGUMENTS"
words+=(--)
while IFS= read -r line; do
  if [ -n "$line" ]; then words+=("$line"); fi
done <<< "$CHECK_PATHS"

code=0
if [ "$CHECK_FORMAT" = markdown ] && [ -z "$CHECK_OUTPUT" ]; then
  wootric-replay "${words[@]}" >> "${GITHUB_STEP_SUMMARY:-/dev/stdout}" || code=$?
else
  wootric-replay "${words[@]}" || code=$?
fi
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  echo "exit-code=$code" >> "$GITHUB_OUTPUT"
fi
exit "$code"
