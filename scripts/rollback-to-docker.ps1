# Brings the project in the current directory back to Docker, with the files and images of its newest backup there.
param([switch]$Force, [switch]$KeepData, [switch]$VerifyOnly)

$flags = @()
if ($Force) { $flags += '--force' }
if ($KeepData) { $flags += '--keep-data' }
if ($VerifyOnly) { $flags += '--verify-only' }
if (Get-Command compose-rollback -ErrorAction SilentlyContinue) {
  & compose-rollback migrate rollback-to-docker @flags
} else {
  & node (Join-Path $PSScriptRoot '../dist/main.js') migrate rollback-to-docker @flags
}
exit $LASTEXITCODE
