"""`finsentry status`: everything is asked at once (`questions`), judged (`judgement`) and shown (`screen`)."""
