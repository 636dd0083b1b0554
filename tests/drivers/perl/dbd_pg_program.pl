#!/usr/bin/perl
# DBD::Pg, which prepares on the server. Requests on standard input, answers on standard output; ../README.md lists them.

use strict;
use warnings;
use DBI;
use DBD::Pg;
use JSON::PP;

my $json = JSON::PP->new->allow_nonref->canonical->utf8;
# Connections by the client's number, and the statements of each by their text.
my (%connections, %statements, %running);

sub rows {
    my ($statement) = @_;
    return $statement->{NUM_OF_FIELDS} ? $statement->fetchall_arrayref : [];
}

sub simple {
    my ($request, $sql) = @_;
    my $connection = $connections{ $request->{client} };
    $sql //= $request->{sql};
    if ($sql !~ /^(select|show|fetch|execute)/ || $sql =~ /;/) {
        $connection->do($sql);
        return [];
    }
    my $statement = $connection->prepare($sql, { pg_server_prepare => 0 });
    $statement->execute;
    return rows($statement);
}

my %ops = (
    hello => sub { [ 'copy', 'listen', 'cancel' ] },
    open  => sub {
        my ($request) = @_;
        my $source = "dbi:Pg:host=$ENV{PGHOST};port=$ENV{PGPORT};dbname=$ENV{PGDATABASE}";
        my %how = (AutoCommit => 1, RaiseError => 1, PrintError => 0, PrintWarn => 0);
        $statements{ $request->{client} }  = {};
        $connections{ $request->{client} } = DBI->connect($source, $ENV{PGUSER}, $ENV{PGPASSWORD}, \%how);
        return;
    },
    reset => sub {
        %statements = ();
        for my $connection (values %connections) {
            eval { $connection->rollback unless $connection->{AutoCommit}; $connection->disconnect };
        }
        %connections = ();
        return;
    },
    drop => sub {
        my ($request) = @_;
        delete $statements{ $request->{client} };
        my $connection = delete $connections{ $request->{client} };
        # Without a rollback.
        open my $socket, '+<&=', $connection->{pg_socket} or die "no socket: $!";
        shutdown $socket, 2;
        return;
    },
    query => sub {
        my ($request) = @_;
        (my $sql = $request->{sql}) =~ s/\$\d+/?/g;
        my $statement = $statements{ $request->{client} }{$sql} //= $connections{ $request->{client} }->prepare($sql);
        $statement->execute(@{ $request->{parameters} });
        return rows($statement);
    },
    simple   => \&simple,
    begin    => sub { $connections{ $_[0]{client} }->begin_work; return },
    commit   => sub { $connections{ $_[0]{client} }->commit;     return },
    rollback => sub { $connections{ $_[0]{client} }->rollback;   return },
    copy_in  => sub {
        my ($request) = @_;
        my $connection = $connections{ $request->{client} };
        $connection->do($request->{sql});
        $connection->pg_putcopydata($request->{data});
        $connection->pg_putcopyend;
        return;
    },
    copy_out => sub {
        my ($request) = @_;
        my $connection = $connections{ $request->{client} };
        $connection->do($request->{sql});
        my ($data, $line) = ('', '');
        $data .= $line while $connection->pg_getcopydata($line) >= 0;
        return $data;
    },
    listen       => sub { simple($_[0], "listen $_[0]{channel}") },
    unlisten     => sub { simple($_[0], "unlisten $_[0]{channel}") },
    notification => sub {
        my $connection = $connections{ $_[0]{client} };
        for (1 .. 50) {
            my $heard = $connection->pg_notifies;
            return [ @$heard[ 0, 2 ] ] if $heard;
            select undef, undef, undef, 0.1;
        }
        return 'nothing';
    },
    start => sub {
        my ($request) = @_;
        my $statement = $connections{ $request->{client} }->prepare($request->{sql}, { pg_async => DBD::Pg::PG_ASYNC() });
        $statement->execute;
        $running{ $request->{client} } = $statement;
        return;
    },
    # This also reads the answer, so there is nothing to wait for.
    cancel => sub { $connections{ $_[0]{client} }->pg_cancel; return },
    wait   => sub { delete $running{ $_[0]{client} }; return 'cancelled' },
);

$| = 1;
while (my $line = <STDIN>) {
    my $request = $json->decode($line);
    my $answer  = eval { { result => $ops{ $request->{op} }->($request) } };
    if (!$answer) {
        my $message = "$@";
        my $state   = $DBI::state // '';
        $answer = { error => $state =~ /^[0-9A-Z]{5}$/ ? $state : 'error', message => substr($message, 0, 300) };
    }
    print $json->encode($answer), "\n";
}
