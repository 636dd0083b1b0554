// pgjdbc. A statement is prepared on the server when it runs for the first time (prepareThreshold=1).
// Requests on standard input, answers on standard output; ../README.md lists them. The JSON is as small as they need.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

public final class PgjdbcProgram {
    private final Map<Integer, Connection> connections = new HashMap<>();
    private final Map<Integer, ResultSet> cursors = new HashMap<>();
    private final Map<Integer, Statement> running = new HashMap<>();
    private final Map<Integer, Future<Object>> outcomes = new HashMap<>();
    private final ExecutorService threads = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task);
        thread.setDaemon(true);
        return thread;
    });
    private final String more;

    private PgjdbcProgram(String more) {
        this.more = more;
    }

    public static void main(String[] arguments) throws Exception {
        PgjdbcProgram program = new PgjdbcProgram(arguments.length > 0 ? arguments[0] : "prepareThreshold=1");
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            answers.println(Json.write(program.answer(Json.read(line))));
        }
    }

    private Map<String, Object> answer(Map<String, Object> request) {
        Map<String, Object> answer = new LinkedHashMap<>();
        try {
            answer.put("result", handle(request));
        } catch (Exception error) {
            Throwable cause = error instanceof java.util.concurrent.ExecutionException ? error.getCause() : error;
            // A batch has the error of the statement behind its own.
            String state = cause instanceof SQLException sql ? sql.getSQLState() : null;
            answer.put("error", state != null ? state : cause.getClass().getSimpleName());
            answer.put("message", String.valueOf(cause.getMessage()));
        }
        return answer;
    }

    private Object handle(Map<String, Object> request) throws Exception {
        Integer client = request.get("client") instanceof Number number ? number.intValue() : null;
        Connection connection = connections.get(client);
        String sql = (String) request.get("sql");
        switch ((String) request.get("op")) {
            case "hello":
                return List.of("copy", "copy_failed", "cursor", "listen", "cancel", "batch", "nested");
            case "open":
                connections.put(client, connect());
                return null;
            case "reset":
                reset();
                return null;
            case "drop":
                // Closes the socket, and nothing else.
                connections.remove(client).abort(Runnable::run);
                return null;
            case "query":
                return query(connection, sql, (List<?>) request.get("parameters"));
            case "simple":
                return simple(connection, sql);
            case "begin":
                connection.setAutoCommit(false);
                return null;
            case "commit":
                connection.commit();
                connection.setAutoCommit(true);
                return null;
            case "rollback":
                connection.rollback();
                connection.setAutoCommit(true);
                return null;
            case "nested":
                return nested(connection, ((Number) request.get("key")).intValue());
            case "batch":
                return batch(connection, (List<?>) request.get("statements"));
            case "cursor":
                PreparedStatement large = connection.prepareStatement(sql);
                large.setFetchSize(((Number) request.get("size")).intValue());
                cursors.put(client, large.executeQuery());
                return null;
            case "fetch":
                return part(cursors.get(client), 4);
            case "copy_in":
                connection.unwrap(PGConnection.class).getCopyAPI().copyIn(sql, new StringReader((String) request.get("data")));
                return null;
            case "copy_out":
                StringWriter data = new StringWriter();
                connection.unwrap(PGConnection.class).getCopyAPI().copyOut(sql, data);
                return data.toString();
            case "listen":
                return simple(connection, "listen " + request.get("channel"));
            case "unlisten":
                return simple(connection, "unlisten " + request.get("channel"));
            case "notification":
                PGNotification[] heard = connection.unwrap(PGConnection.class).getNotifications(5000);
                return heard == null || heard.length == 0 ? "nothing" : List.of(heard[0].getName(), heard[0].getParameter());
            case "start":
                Statement slow = connection.createStatement();
                running.put(client, slow);
                outcomes.put(client, threads.submit((Callable<Object>) () -> {
                    slow.execute(sql);
                    return "done";
                }));
                return null;
            case "cancel":
                running.get(client).cancel();
                return null;
            case "wait":
                return outcomes.remove(client).get();
            default:
                throw new IllegalArgumentException(String.valueOf(request.get("op")));
        }
    }

    private Connection connect() throws SQLException {
        Map<String, String> is = System.getenv();
        String url = "jdbc:postgresql://" + is.get("PGHOST") + ":" + is.get("PGPORT") + "/" + is.get("PGDATABASE");
        return DriverManager.getConnection(url + "?" + more, is.get("PGUSER"), is.get("PGPASSWORD"));
    }

    private void reset() {
        for (Connection connection : connections.values()) {
            try {
                connection.close();
            } catch (SQLException error) {
                // One that broke is gone all the same.
            }
        }
        connections.clear();
        cursors.clear();
        running.clear();
        outcomes.clear();
    }

    private static List<Object> query(Connection connection, String sql, List<?> parameters) throws SQLException {
        try (PreparedStatement statement = prepare(connection, sql, parameters)) {
            return statement.execute() ? part(statement.getResultSet(), Integer.MAX_VALUE) : List.of();
        }
    }

    /** pgjdbc keeps closed statements by their text, so that this prepares each text once. */
    private static PreparedStatement prepare(Connection connection, String sql, List<?> parameters) throws SQLException {
        PreparedStatement statement = connection.prepareStatement(sql.replaceAll("\\$\\d+", "?"));
        for (int index = 0; index < parameters.size(); index++) {
            Object value = parameters.get(index);
            if (value instanceof Number number) {
                statement.setInt(index + 1, number.intValue());
            } else {
                statement.setString(index + 1, (String) value);
            }
        }
        return statement;
    }

    private static List<Object> simple(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return statement.execute(sql) ? part(statement.getResultSet(), Integer.MAX_VALUE) : List.of();
        }
    }

    private static List<Object> batch(Connection connection, List<?> statements) throws SQLException {
        List<Object> seen = new ArrayList<>();
        // A batch is one text with many rows of values.
        for (Object entry : statements) {
            List<?> pair = (List<?>) entry;
            String sql = (String) pair.get(0);
            if (sql.startsWith("insert")) {
                try (PreparedStatement statement = prepare(connection, sql, (List<?>) pair.get(1))) {
                    statement.addBatch();
                    statement.addBatch();
                    for (int count : statement.executeBatch()) {
                        seen.add(count);
                    }
                }
            } else {
                seen.addAll(query(connection, sql, (List<?>) pair.get(1)));
            }
        }
        return seen;
    }

    private static Object nested(Connection connection, int key) throws SQLException {
        connection.setAutoCommit(false);
        query(connection, "insert into account values ($1, 'outer')", List.of(key));
        Savepoint inner = connection.setSavepoint();
        try {
            query(connection, "insert into account values ($1, 'inner')", List.of(key));
        } catch (SQLException error) {
            connection.rollback(inner);
        }
        query(connection, "update account set name = name || '!' where id = $1", List.of(key));
        connection.commit();
        connection.setAutoCommit(true);
        return query(connection, "select name from account where id = $1", List.of(key));
    }

    private static List<Object> part(ResultSet rows, int size) throws SQLException {
        List<Object> part = new ArrayList<>();
        while (part.size() < size && rows.next()) {
            List<Object> row = new ArrayList<>();
            for (int column = 1; column <= rows.getMetaData().getColumnCount(); column++) {
                row.add(rows.getString(column));
            }
            part.add(row);
        }
        return part;
    }
}

/** JSON as the requests and answers use it. */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> read(String text) {
        return (Map<String, Object>) new Json(text).value();
    }

    static String write(Object value) {
        if (value instanceof Map<?, ?> map) {
            List<String> parts = new ArrayList<>();
            map.forEach((key, part) -> parts.add(write(key) + ":" + write(part)));
            return "{" + String.join(",", parts) + "}";
        }
        if (value instanceof List<?> list) {
            return "[" + String.join(",", list.stream().map(Json::write).toList()) + "]";
        }
        if (value == null || value instanceof Number) {
            return String.valueOf(value);
        }
        StringBuilder quoted = new StringBuilder("\"");
        value.toString().chars().forEach(unit -> {
            if (unit == '"' || unit == '\\') {
                quoted.append('\\').append((char) unit);
            } else if (unit < 0x20) {
                quoted.append(String.format("\\u%04x", unit));
            } else {
                quoted.append((char) unit);
            }
        });
        return quoted.append('"').toString();
    }

    private char next() {
        while (Character.isWhitespace(text.charAt(at))) {
            at++;
        }
        return text.charAt(at);
    }

    private Object value() {
        char first = next();
        if (first == '{') {
            Map<String, Object> map = new LinkedHashMap<>();
            for (at++; next() != '}'; ) {
                String key = (String) value();
                next();
                at++;
                map.put(key, value());
                if (next() == ',') {
                    at++;
                }
            }
            at++;
            return map;
        }
        if (first == '[') {
            List<Object> list = new ArrayList<>();
            for (at++; next() != ']'; ) {
                list.add(value());
                if (next() == ',') {
                    at++;
                }
            }
            at++;
            return list;
        }
        return first == '"' ? string() : word();
    }

    private Object word() {
        int from = at;
        while (at < text.length() && ",]} ".indexOf(text.charAt(at)) < 0) {
            at++;
        }
        String word = text.substring(from, at);
        return word.equals("null") ? null : Long.valueOf(word);
    }

    private String string() {
        StringBuilder string = new StringBuilder();
        for (at++; text.charAt(at) != '"'; at++) {
            char unit = text.charAt(at);
            if (unit == '\\') {
                unit = text.charAt(++at);
                switch (unit) {
                    case 'n' -> unit = '\n';
                    case 't' -> unit = '\t';
                    case 'u' -> {
                        unit = (char) Integer.parseInt(text.substring(at + 1, at + 5), 16);
                        at += 4;
                    }
                    default -> { }
                }
            }
            string.append(unit);
        }
        at++;
        return string.toString();
    }
}
