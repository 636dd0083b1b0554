<?php

// The loop of a driver's program: requests on standard input, answers on standard output. ../README.md lists them.

declare(strict_types=1);

/** The SQLSTATE, also where an error wraps another. */
function sqlstate(Throwable $error): string
{
    for ($at = $error; $at !== null; $at = $at->getPrevious()) {
        $state = $at instanceof PDOException ? ($at->errorInfo[0] ?? $at->getCode()) : null;
        if (is_string($state) && preg_match('/^[0-9A-Z]{5}$/', $state)) {
            return $state;
        }
    }
    return $error::class;
}

function answer(object $driver, array $request): array
{
    try {
        return ['result' => $driver->{$request['op']}($request)];
    } catch (Throwable $error) {
        return ['error' => sqlstate($error), 'message' => substr($error->getMessage(), 0, 300)];
    }
}

function serve(object $driver): void
{
    while (($line = fgets(STDIN)) !== false) {
        $answer = answer($driver, json_decode($line, true, flags: JSON_THROW_ON_ERROR));
        fwrite(STDOUT, json_encode($answer, JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR) . "\n");
    }
}
