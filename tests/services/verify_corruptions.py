"""What can go wrong in a deployment, planted by SQL into `verify_deployment`, and which checks must find it.

Each: what is planted → (statements, the checks that find it with the number of violations). All others stay silent.
"""

CORRUPTIONS: dict[str, tuple[str, dict[str, int]]] = {
    "a missing receipt": (
        "DELETE FROM receipts WHERE partition = 0 AND kafka_offset = 3",
        {"offsets_have_receipts": 1},
    ),
    "missing receipts at the end of what is committed, and of an aborted message": (
        "DELETE FROM receipts WHERE outcome = 'duplicate' AND kafka_offset IN (7, 8);"
        "UPDATE receipts SET kafka_offset = 2 WHERE partition = 1 AND kafka_offset = 3",
        {"offsets_have_receipts": 3},
    ),
    "two receipts of one message": (
        "ALTER TABLE receipts DROP CONSTRAINT receipts_pkey;"
        "INSERT INTO receipts SELECT * FROM receipts WHERE partition = 0 AND kafka_offset = 3",
        {"offsets_have_one_receipt": 1},
    ),
    "a receipt of a message that was never sent": (
        "INSERT INTO receipts (topic, partition, kafka_offset, message_digest, outcome, document_id, content_digest,"
        " batch_id, received_at) SELECT topic, partition, 11, message_digest, outcome, document_id, content_digest,"
        " batch_id, received_at FROM receipts WHERE partition = 0 AND kafka_offset = 3",
        {"receipts_have_messages": 1},
    ),
    "an accepted receipt without a document": (
        "UPDATE receipts SET outcome = 'accepted', document_id = 'nobody' WHERE partition = 0 AND kafka_offset = 3",
        {"accepted_receipts_have_documents": 1},
    ),
    "an accepted receipt of another revision": (
        "UPDATE receipts SET outcome = 'accepted', content_digest = '\\x00' WHERE partition = 0 AND kafka_offset = 3",
        {"accepted_receipts_have_documents": 1},
    ),
    "a document without a receipt": (
        "INSERT INTO documents (document_id, content_digest, source, kind, title, published_at, received_at,"
        " unscored_reason) VALUES ('stray', '\\x00', 'test', 'news', 'Stray', now(), now(), 'language')",
        {"documents_have_one_accepted_receipt": 1},
    ),
    "a document that was accepted twice": (
        "UPDATE receipts SET outcome = 'accepted' WHERE partition = 0 AND kafka_offset = 3",
        {"documents_have_one_accepted_receipt": 1},
    ),
    "a duplicate of nothing": (
        "UPDATE receipts SET document_id = 'nobody' WHERE partition = 0 AND kafka_offset = 3",
        {"duplicates_have_originals": 1},
    ),
    "a duplicate whose original was never accepted": (
        "UPDATE receipts SET outcome = 'duplicate' WHERE partition = 0 AND kafka_offset = 2",
        {"duplicates_have_originals": 1, "documents_have_one_accepted_receipt": 1},
    ),
    "a dead-letter receipt without its bytes": (
        "DELETE FROM dead_letters WHERE kafka_offset = 4",
        {"dead_letters_match_receipts": 1},
    ),
    "a dead letter of an accepted message": (
        "INSERT INTO dead_letters (topic, partition, kafka_offset, reason, detail, received_at)"
        " SELECT topic, partition, kafka_offset, 'not_json', '', now() FROM receipts WHERE (partition, kafka_offset)"
        " = (0, 2)",
        {"dead_letters_match_receipts": 1},
    ),
    "a dead letter with another reason than its receipt": (
        "UPDATE dead_letters SET reason = 'too_deep' WHERE kafka_offset = 4",
        {"dead_letters_match_receipts": 1},
    ),
    "a receipt that says erased, of a document that was not": (
        "UPDATE receipts SET outcome = 'erased' WHERE partition = 0 AND kafka_offset = 3",
        {"erased_receipts_have_erasures": 1},
    ),
    "a text that came back after its erasure": (
        "INSERT INTO erasures VALUES ('comment', '2026-01-01Z', 'asked for')",
        {"erased_documents_keep_no_text": 1},
    ),
    "a text that was blanked without a tombstone": (
        "UPDATE mentions SET surface = '' WHERE document_id = 'comment';"
        "UPDATE documents SET title = NULL, body = NULL, erased_at = now() WHERE document_id = 'comment'",
        {"erased_documents_keep_no_text": 1},
    ),
    "a retraction whose document its windows still count": (
        "INSERT INTO documents (document_id, content_digest, is_retraction, source, updated_at, received_at)"
        " VALUES ('comment', '\\x00', true, 'test', now(), now());"
        "UPDATE receipts SET outcome = 'accepted', document_id = 'comment', content_digest = '\\x00'"
        " WHERE partition = 0 AND kafka_offset = 3",
        {"windows_equal_a_recomputation": 2},
    ),
    "a score of a retraction": (
        "INSERT INTO documents (document_id, content_digest, is_retraction, source, published_at, updated_at,"
        " received_at) SELECT document_id, '\\x00', true, source, published_at, '2000-01-01Z', now() FROM documents"
        " WHERE document_id = 'comment';"
        "UPDATE receipts SET outcome = 'accepted', document_id = 'comment', content_digest = '\\x00'"
        " WHERE partition = 0 AND kafka_offset = 3;"
        "INSERT INTO scores SELECT 'guess', document_id, '\\x00', '', 'champion', 0, 1, 0, 'model/1', 'd1', 'c1',"
        " published_at, now() FROM documents WHERE document_id = 'comment' AND is_retraction",
        {"documents_are_scored_once": 1},
    ),
    "a document in the wrong lane": (
        "UPDATE documents SET lane = 'backfill' WHERE document_id = 'apple'",
        {"documents_carry_their_lane": 1},
    ),
    "a mention outside the text": (
        "UPDATE mentions SET span_start = 1000, span_end = 1005 WHERE instrument_id = 'GOOG'",
        {"mentions_lie_in_the_text": 1},
    ),
    "a mention that ends one code point past the text": (
        "UPDATE mentions SET span_start = 16, span_end = 17 WHERE instrument_id = 'NOKIA' AND document_id = 'comment'",
        {"mentions_lie_in_the_text": 1},
    ),
    "a mention counted in UTF-16, behind an emoji": (
        "UPDATE mentions SET span_start = span_start + 1, span_end = span_end + 1 WHERE surface = 'Nokia'",
        {"mentions_lie_in_the_text": 1},
    ),
    "a mention with half a sentiment": (
        "UPDATE mentions SET neutral = NULL WHERE surface = 'Jane Doe'",
        {"mentions_carry_probabilities": 1},
    ),
    "two champion scores of a document": (
        "DROP INDEX scores_champion_key; INSERT INTO scores SELECT 'twin', document_id, content_digest, instrument_id,"
        " role, negative, neutral, positive, model_version, directory_version, code_version, published_at, scored_at"
        " FROM scores WHERE score_id = 'fined/1/'",
        {"documents_are_scored_once": 1},
    ),
    "a missing score of a revision that was replaced": (
        "DELETE FROM scores WHERE score_id = 'fined/1/'",
        {"documents_are_scored_once": 1},
    ),
    "a missing score of a current revision, which its window still counts": (
        "DELETE FROM scores WHERE score_id = 'comment/1/'",
        {"documents_are_scored_once": 1, "windows_equal_a_recomputation": 1},
    ),
    "a score of an unscored document": (
        "INSERT INTO scores SELECT 'guess', document_id, content_digest, '', 'champion', 0, 1, 0, 'model/1', 'd1',"
        " 'c1', published_at, now() FROM documents WHERE document_id = 'foreign'",
        {"unscored_documents_have_no_scores": 1},
    ),
    "a mentioned instrument without a score": (
        "DELETE FROM scores WHERE score_id = 'fined/1/AAPL'",
        {"mentioned_instruments_are_scored_once": 1},
    ),
    "a score of an instrument that is not mentioned": (
        "UPDATE scores SET instrument_id = 'MSFT' WHERE score_id = 'fined/1/AAPL'",
        {"mentioned_instruments_are_scored_once": 2},
    ),
    "two champion scores of an instrument": (
        "DROP INDEX scores_champion_key; INSERT INTO scores SELECT 'twin', document_id, content_digest, instrument_id,"
        " role, negative, neutral, positive, model_version, directory_version, code_version, published_at, scored_at,"
        " relevance FROM scores WHERE score_id = 'fined/1/AAPL'",
        {"mentioned_instruments_are_scored_once": 1},
    ),
    "probabilities that do not add up to one, and one that is no number": (
        "ALTER TABLE scores DROP CONSTRAINT scores_probabilities_check;"
        "UPDATE scores SET negative = 0.5 WHERE score_id = 'shadow';"
        "UPDATE scores SET neutral = 'NaN' WHERE score_id = 'fined/1/'",
        {"scores_are_probabilities": 2},
    ),
    "a mention and a score without relevance, one of no number, and one of a document": (
        "ALTER TABLE mentions ALTER relevance DROP NOT NULL; ALTER TABLE mentions DROP CONSTRAINT"
        " mentions_relevance_check; ALTER TABLE scores DROP CONSTRAINT scores_relevance_check;"
        "UPDATE mentions SET relevance = NULL WHERE surface = 'Jane Doe';"
        "UPDATE scores SET relevance = NULL WHERE score_id = 'fined/1/AAPL';"
        "UPDATE scores SET relevance = 'NaN' WHERE score_id = 'comment/1/NOKIA';"
        "UPDATE scores SET relevance = 1 WHERE score_id = 'fined/1/'",
        {"instruments_have_relevance": 4},
    ),
    "a score with another time than its document": (
        "UPDATE scores SET published_at = published_at + interval '1 minute' WHERE score_id = 'apple/1/AAPL'",
        {"scores_carry_the_time_of_publication": 1},
    ),
    "a score of a model that nobody knows": (
        "UPDATE scores SET model_version = 'model/3' WHERE score_id = 'apple/1/'",
        {"scores_name_a_known_model": 1},
    ),
    "a score that was linked with a directory that nobody knows": (
        "INSERT INTO directory_changes (version, cause, made_at) VALUES ('d1', 'test', '2000-01-01Z');"
        "UPDATE scores SET directory_version = 'd2' WHERE score_id = 'apple/1/'",
        {"scores_name_a_known_directory": 1},
    ),
    "a window with one document too many": (
        "UPDATE windows SET documents = documents + 1 WHERE instrument_id = 'GOOG'",
        {"windows_equal_a_recomputation": 1},
    ),
    "a window with a tie on the wrong side": (
        "UPDATE windows SET negative_documents = 0, positive_documents = 1 WHERE instrument_id = '' AND kind = 'news'"
        " AND documents = 2",
        {"windows_equal_a_recomputation": 1},
    ),
    "a window with a slightly other polarity": (
        "UPDATE windows SET polarity_sum = polarity_sum + 1e-7 WHERE instrument_id = 'GOOG'",
        {"windows_equal_a_recomputation": 1},
    ),
    "a window whose squares are off": (
        "UPDATE windows SET polarity_square_sum = 0.35 WHERE instrument_id = 'GOOG'",
        {"windows_equal_a_recomputation": 1},
    ),
    "a window that is no number": (
        "UPDATE windows SET polarity_sum = 'NaN' WHERE instrument_id = 'GOOG'",
        {"windows_equal_a_recomputation": 1},
    ),
    "a window one minute late": (
        "UPDATE windows SET minute = minute + interval '1 minute' WHERE instrument_id = 'GOOG'",
        {"windows_equal_a_recomputation": 2},
    ),
    "a window that still counts a corrected revision": (
        "UPDATE windows SET (documents, negative_documents, polarity_sum, polarity_square_sum) = (2, 1, 0, 0.72)"
        " WHERE instrument_id = 'AAPL'",
        {"windows_equal_a_recomputation": 1},
    ),
    "a window of a document that was withdrawn": (
        "INSERT INTO windows VALUES ('', 'news', '2026-03-02T10:07Z', 1, 0, 1, 0.6, 0.36, now())",
        {"windows_equal_a_recomputation": 1},
    ),
    "a missing window": (
        "DELETE FROM windows WHERE instrument_id = 'NOKIA' AND kind = 'comment'",
        {"windows_equal_a_recomputation": 1},
    ),
    "a mark that vanished before its windows were recomputed": (
        "DELETE FROM dirty_marks",
        {"windows_equal_a_recomputation": 2},
    ),
}
#: The same, for what only reading all bytes can find.
CORRUPT_BYTES: dict[str, tuple[str, dict[str, int]]] = {
    "a receipt at an offset without a message": (
        "INSERT INTO receipts (topic, partition, kafka_offset, message_digest, outcome, document_id, content_digest,"
        " batch_id, received_at) SELECT topic, partition, 2, message_digest, outcome, document_id, content_digest,"
        " batch_id, received_at FROM receipts WHERE partition = 1 AND kafka_offset = 7",
        {"receipts_digest_their_messages": 1},
    ),
    "a receipt with the digest of another message": (
        "UPDATE receipts SET message_digest = '\\x00112233445566778899aabbccddeeff' WHERE (partition, kafka_offset)"
        " = (0, 2)",
        {"receipts_digest_their_messages": 1},
    ),
    "a dead letter whose bytes were lost": (
        "UPDATE dead_letters SET payload = NULL WHERE kafka_offset = 4",
        {"dead_letters_keep_the_bytes": 1},
    ),
}
