<?php

// Laravel's database component (Debian's php-illuminate-database): Eloquent over PDO, a connection for each client.

declare(strict_types=1);

require 'Illuminate/Database/autoload.php';
require __DIR__ . '/loop.php';

use Illuminate\Database\Capsule\Manager;
use Illuminate\Database\Connection;
use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\QueryException;

final class Account extends Model
{
    protected $table = 'account';
    public $timestamps = false;
    public $incrementing = false;
    protected $fillable = ['id', 'name'];
}

final class Laravel
{
    private const CLIENTS = 4;
    private Manager $manager;

    public function __construct()
    {
        $this->manager = new Manager();
        for ($client = 0; $client < self::CLIENTS; $client++) {
            $this->manager->addConnection([
                'driver' => 'pgsql', 'host' => getenv('PGHOST'), 'port' => getenv('PGPORT'), 'charset' => 'utf8',
                'database' => getenv('PGDATABASE'), 'username' => getenv('PGUSER'), 'password' => getenv('PGPASSWORD'),
                'schema' => 'public',
            ], "client $client");
        }
        $this->manager->bootEloquent();
    }

    private function on(array $request): Connection
    {
        return $this->manager->getConnection("client {$request['client']}");
    }

    public function hello(array $request): array
    {
        return ['objects', 'nested'];
    }

    public function open(array $request): void
    {
        $this->on($request)->reconnect();
        $this->on($request)->select('select 1');
    }

    public function reset(array $request): void
    {
        for ($client = 0; $client < self::CLIENTS; $client++) {
            $this->manager->getDatabaseManager()->purge("client $client");
        }
    }

    public function drop(array $request): void
    {
        $this->manager->getDatabaseManager()->purge("client {$request['client']}");
    }

    private static function rows(array $found): array
    {
        return array_map(fn (object $row) => array_values((array) $row), $found);
    }

    public function query(array $request): array
    {
        $sql = preg_replace('/\$\d+/', '?', $request['sql']);
        if (!preg_match('/^select/', $sql)) {
            $this->on($request)->statement($sql, $request['parameters']);
            return [];
        }
        return self::rows($this->on($request)->select($sql, $request['parameters']));
    }

    public function simple(array $request): array
    {
        if (!preg_match('/^(select|show|fetch|execute)/', $request['sql']) || str_contains($request['sql'], ';')) {
            $this->on($request)->unprepared($request['sql']);
            return [];
        }
        return self::rows($this->on($request)->select($request['sql']));
    }

    public function begin(array $request): void
    {
        $this->on($request)->beginTransaction();
    }

    public function commit(array $request): void
    {
        $this->on($request)->commit();
    }

    public function rollback(array $request): void
    {
        $this->on($request)->rollBack();
    }

    public function objects(array $request): array
    {
        $accounts = fn () => Account::on("client {$request['client']}");
        $account = $accounts()->create(['id' => $request['key'], 'name' => 'created']);
        $account->update(['name' => $accounts()->find($request['key'])->name . ', changed']);
        $found = $accounts()->whereIn('id', [$request['key'], 1])->orderBy('id')->get(['id', 'name'])->toArray();
        $account->delete();
        return [$found, $accounts()->where('id', $request['key'])->count()];
    }

    public function nested(array $request): string
    {
        $connection = $this->on($request);
        $accounts = fn () => Account::on($connection->getName());
        $connection->transaction(function () use ($connection, $accounts, $request) {
            $accounts()->create(['id' => $request['key'], 'name' => 'outer']);
            try {
                $connection->transaction(fn () => $accounts()->create(['id' => $request['key'], 'name' => 'inner']));
            } catch (QueryException) {
                // The inner transaction was a savepoint.
            }
            $accounts()->where('id', $request['key'])->update(['name' => 'outer!']);
        });
        return $accounts()->find($request['key'])->name;
    }
}

serve(new Laravel());
