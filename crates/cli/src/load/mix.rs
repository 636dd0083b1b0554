//! The transactions that clients run, and the tables they need.
//!
//! Four of five read one account by its key, with one question of the extended protocol. The fifth
//! moves money: BEGIN, an UPDATE, an INSERT and COMMIT, each a question of the simple protocol.
//! Every answer is compared with its question, so that an answer meant for another client is seen.

use pgweir_wire::backend::TxStatus;

use super::client::{Answer, Client, ClientError};

/// SQL that makes the tables, run as their owner.
pub(crate) fn schema() -> [String; 3] {
    [
        format!(
            "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL, filler text); \
             INSERT INTO accounts SELECT n, 0, repeat('x', 60) FROM generate_series(1, {ACCOUNTS}) n"
        ),
        "CREATE TABLE history (account int NOT NULL, delta int NOT NULL, \
         at timestamptz NOT NULL DEFAULT now())"
            .to_owned(),
        "VACUUM ANALYZE accounts".to_owned(),
    ]
}

/// SQL whose value is `t` when no money was lost: what transactions did, they did as a whole.
pub(crate) const BALANCED: &str = "SELECT (SELECT sum(balance) FROM accounts) = \
     (SELECT coalesce(sum(delta), 0) FROM history)";

/// One transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transaction {
    Read { account: u32 },
    Move { account: u32, delta: i32 },
}

/// How a transaction ended, the connection being sound.
#[derive(Debug)]
pub(crate) enum Done {
    /// As it should.
    Well,
    /// With an answer that belongs to another question.
    Mixed,
    /// With this error; it is rolled back.
    Error(ClientError),
}

impl Transaction {
    /// Draws the next one.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let account = 1 + random.below(ACCOUNTS);
        if random.below(5) > 0 {
            return Self::Read { account };
        }
        let delta = i32::try_from(random.below(1_000)).expect("below 1,000") - 500;
        Self::Move { account, delta }
    }

    /// Runs it.
    ///
    /// # Errors
    /// The connection cannot be used any further.
    pub(crate) async fn run(self, client: &mut Client) -> Result<Done, ClientError> {
        match self {
            Self::Read { account } => {
                let sql = format!("SELECT id, balance FROM accounts WHERE id = {account}");
                let answer = client.extended(&sql).await?;
                Ok(judge(answer, Some(account), TxStatus::Idle))
            }
            Self::Move { account, delta } => {
                let update = format!(
                    "UPDATE accounts SET balance = balance + {delta} WHERE id = {account} \
                     RETURNING id"
                );
                let insert = format!(
                    "INSERT INTO history (account, delta) VALUES ({account}, {delta}) \
                     RETURNING account"
                );
                let steps = [
                    ("BEGIN", None, TxStatus::InTransaction),
                    (&update, Some(account), TxStatus::InTransaction),
                    (&insert, Some(account), TxStatus::InTransaction),
                    ("COMMIT", None, TxStatus::Idle),
                ];
                for (sql, expected, status) in steps {
                    let answer = client.simple(sql).await?;
                    let open = answer.status != TxStatus::Idle;
                    match judge(answer, expected, status) {
                        Done::Well => {}
                        failed => {
                            if open {
                                client.value("ROLLBACK").await?;
                            }
                            return Ok(failed);
                        }
                    }
                }
                Ok(Done::Well)
            }
        }
    }
}

fn judge(answer: Answer, expected: Option<u32>, status: TxStatus) -> Done {
    if let Some(error) = answer.error {
        return Done::Error(error);
    }
    let same = answer.value == expected.map(|id| id.to_string());
    if same && answer.status == status {
        Done::Well
    } else {
        Done::Mixed
    }
}

/// Pseudo-random numbers (SplitMix64): the same load for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`. The bias of the remainder, at most one part in 2^32 / `bound`, does
    /// not matter to a load.
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32 % bound
    }
}

const ACCOUNTS: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_of_five_transactions_read_and_all_stay_in_the_table() {
        let mut random = Random::new(1);
        let mut reads = 0;
        for _ in 0..10_000 {
            let (Transaction::Read { account } | Transaction::Move { account, .. }) =
                Transaction::draw(&mut random);
            assert!((1..=ACCOUNTS).contains(&account));
        }
        for _ in 0..10_000 {
            if matches!(Transaction::draw(&mut random), Transaction::Read { .. }) {
                reads += 1;
            }
        }
        assert!((7_800..8_200).contains(&reads), "{reads}");
    }

    #[test]
    fn an_answer_to_another_question_is_seen() {
        let answer = |value: &str, status| Answer {
            value: Some(value.to_owned()),
            status,
            error: None,
        };
        let judged = |value, status| judge(answer(value, status), Some(7), TxStatus::Idle);
        assert!(matches!(judged("7", TxStatus::Idle), Done::Well));
        assert!(matches!(judged("8", TxStatus::Idle), Done::Mixed));
        assert!(matches!(judged("7", TxStatus::InTransaction), Done::Mixed));
    }
}
