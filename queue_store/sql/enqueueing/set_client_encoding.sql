SELECT set_config('client_encoding', %(encoding)s, false)
