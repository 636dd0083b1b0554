<?php

// PDO. Arguments: `persistent` keeps connections after they were closed, `emulated` puts values into the text.

declare(strict_types=1);

require __DIR__ . '/loop.php';

final class Pdos
{
    /** @var array<int, PDO> */
    private array $connections = [];
    /** @var array<int, array<string, PDOStatement>> Statements by their text, as an application would keep them. */
    private array $statements = [];

    public function __construct(private readonly array $how)
    {
    }

    public function hello(array $request): array
    {
        return ['copy', 'listen', 'nested'];
    }

    public function open(array $request): void
    {
        $name = "client {$request['client']}";
        $dsn = sprintf('pgsql:host=%s;port=%s;dbname=%s', getenv('PGHOST'), getenv('PGPORT'), getenv('PGDATABASE'));
        $this->statements[$request['client']] = [];
        $this->connections[$request['client']] = new PDO($dsn, getenv('PGUSER'), getenv('PGPASSWORD'), [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            // A name of its own: connections with the same one are the same.
            PDO::ATTR_PERSISTENT => in_array('persistent', $this->how) ? $name : false,
            PDO::ATTR_EMULATE_PREPARES => in_array('emulated', $this->how),
        ]);
    }

    public function reset(array $request): void
    {
        $this->statements = [];
        $this->connections = [];
    }

    public function drop(array $request): void
    {
        unset($this->statements[$request['client']], $this->connections[$request['client']]);
    }

    public function query(array $request): array
    {
        $connection = $this->connections[$request['client']];
        $sql = preg_replace('/\$\d+/', '?', $request['sql']);
        // Nothing is kept where nothing is prepared.
        $kept = in_array('emulated', $this->how) ? null : $this->statements[$request['client']][$sql] ?? null;
        $statement = $this->statements[$request['client']][$sql] = $kept ?? $connection->prepare($sql);
        $statement->execute($request['parameters']);
        return $statement->columnCount() ? $statement->fetchAll(PDO::FETCH_NUM) : [];
    }

    public function simple(array $request): array
    {
        // Only `exec` takes several statements at once.
        $connection = $this->connections[$request['client']];
        if (!preg_match('/^(select|show|fetch|execute)/', $request['sql']) || str_contains($request['sql'], ';')) {
            $connection->exec($request['sql']);
            return [];
        }
        return $connection->query($request['sql'])->fetchAll(PDO::FETCH_NUM);
    }

    public function begin(array $request): void
    {
        $this->connections[$request['client']]->beginTransaction();
    }

    public function commit(array $request): void
    {
        $this->connections[$request['client']]->commit();
    }

    public function rollback(array $request): void
    {
        $this->connections[$request['client']]->rollBack();
    }

    public function nested(array $request): array
    {
        $this->begin($request);
        $insert = ['sql' => 'insert into account values ($1, $2)', 'client' => $request['client']];
        $this->query($insert + ['parameters' => [$request['key'], 'outer']]);
        $this->simple($request + ['sql' => 'savepoint inner_one']);
        try {
            $this->query($insert + ['parameters' => [$request['key'], 'inner']]);
        } catch (PDOException $error) {
            $this->simple($request + ['sql' => 'rollback to savepoint inner_one']);
        }
        $this->query($request + ['sql' => "update account set name = name || '!' where id = $1", 'parameters' => [$request['key']]]);
        $this->commit($request);
        return $this->query($request + ['sql' => 'select name from account where id = $1', 'parameters' => [$request['key']]]);
    }

    public function copy_in(array $request): void
    {
        $this->connections[$request['client']]->pgsqlCopyFromArray('copied', explode("\n", rtrim($request['data'])));
    }

    public function copy_out(array $request): string
    {
        preg_match('/^copy (.*) to stdout$/', $request['sql'], $part);
        return implode('', $this->connections[$request['client']]->pgsqlCopyToArray($part[1]));
    }

    public function listen(array $request): void
    {
        $this->connections[$request['client']]->exec("listen {$request['channel']}");
    }

    public function unlisten(array $request): void
    {
        $this->connections[$request['client']]->exec("unlisten {$request['channel']}");
    }

    public function notification(array $request): array|string
    {
        $heard = $this->connections[$request['client']]->pgsqlGetNotify(PDO::FETCH_ASSOC, 5000);
        return $heard ? [$heard['message'], $heard['payload']] : 'nothing';
    }
}

serve(new Pdos(array_slice($argv, 1)));
