<?php
// What a Laravel application sends: PDO with prepared statements, one after another, eager loading with IN,
// a transaction for what is written. Each request is a user's own. argv: DSN, user, password, seconds,
// requests per connection (1: PHP-FPM, 0: a worker that keeps its connection, as Octane), loop (1: an N+1).
[, $dsn, $user, $password, $seconds, $per_connection, $loops] = $argv;
$statements = 0;
function connect() {
    global $dsn, $user, $password;
    return new PDO($dsn, $user, $password, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}
function ask(PDO $db, string $sql, array $values = []) {
    global $statements;
    $statements++;
    $statement = $db->prepare($sql);
    $statement->execute($values);
    return $statement->fetchAll(PDO::FETCH_ASSOC);
}
$db = connect();
$requests = 0;
$end = microtime(true) + (float) $seconds;
while (microtime(true) < $end) {
    if ($per_connection > 0 && $requests % $per_connection === 0) {
        $db = null;
        $db = connect();
    }
    $requests++;
    $id = random_int(1, 100000);
    // Who it is, as the session's guard asks.
    ask($db, 'select * from accounts where id = ? limit 1', [$id]);
    $page = ask($db, 'select id from accounts where id > ? order by id limit 15', [$id]);
    $ids = array_column($page, 'id') ?: [0];
    if ($loops) {
        foreach ($ids as $one) {
            ask($db, 'select * from history where account = ?', [$one]);
        }
    } else {
        $marks = implode(', ', array_fill(0, count($ids), '?'));
        ask($db, "select * from history where account in ($marks)", $ids);
    }
    if ($requests % 5 === 0) {
        $db->beginTransaction();
        ask($db, 'update accounts set balance = balance + ? where id = ?', [0, $id]);
        ask($db, 'insert into history (account, delta) values (?, ?)', [$id, 0]);
        $db->commit();
        $statements += 2;
    }
    // What a framework and its view take.
    usleep(random_int(2000, 10000));
}
echo json_encode(['requests' => $requests, 'statements' => $statements]), "\n";
